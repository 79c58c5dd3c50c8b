/* Two short tones, for who has switched them on, on this device. Of all open tabs one plays them. */
const KEY = "alert-sound";
const ONE_TAB_MS = 3_000;

export const soundOn = (): boolean => localStorage.getItem(KEY) === "on";

export function switchSound(on: boolean): void {
  if (on) localStorage.setItem(KEY, "on");
  else localStorage.removeItem(KEY);
}

let context: AudioContext | null = null;

export async function playSound(urgent: boolean): Promise<void> {
  if (!soundOn()) return;
  if (!navigator.locks) return tones(urgent); // without https there are none, and each tab plays
  await navigator.locks.request("alert-sound", { ifAvailable: true }, async (lock) => {
    if (!lock) return;
    await tones(urgent);
    await new Promise((done) => setTimeout(done, ONE_TAB_MS));
  });
}

/** Silent when the browser wants a click first. */
async function tones(urgent: boolean): Promise<void> {
  context ??= new AudioContext();
  await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 500))]);
  if (context.state !== "running") return;
  const notes = urgent ? [880, 660, 880, 660] : [660, 880];
  notes.forEach((hertz, i) => {
    const [at, long] = [context!.currentTime + i * 0.18, 0.16];
    const [tone, volume] = [context!.createOscillator(), context!.createGain()];
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.2, at + 0.02);
    volume.gain.linearRampToValueAtTime(0, at + long);
    tone.connect(volume).connect(context!.destination);
    tone.start(at);
    tone.stop(at + long);
  });
}
