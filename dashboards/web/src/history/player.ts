/* Plays time: a clock that runs up to a thousand times as fast, a slider, a button. It knows nothing of maps. */
import { need } from "../dom";
import { afterGap, type Track } from "./track";

export class Player {
  private track: Track | null = null;
  private time = 0;
  private playing = false;
  private last = 0;
  private readonly button = need<HTMLButtonElement>("#play");
  private readonly slider = need<HTMLInputElement>("#slider");
  private readonly rate = need<HTMLSelectElement>("#rate");

  constructor(private readonly onTime: (time: number, playing: boolean) => void) {
    this.button.addEventListener("click", () => this.play(!this.playing));
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.slider.addEventListener("keydown", (event) => this.key(event));
  }

  load(track: Track): void {
    this.play(false);
    this.track = track;
    this.slider.min = String(track.times[0] ?? 0);
    this.slider.max = String(track.times.at(-1) ?? 0);
    this.seek(track.times[0] ?? 0);
  }

  seek(time: number): void {
    const { track } = this;
    if (!track) return;
    this.time = Math.max(track.times[0] ?? 0, Math.min(track.times.at(-1) ?? 0, time));
    this.slider.value = String(this.time);
    this.slider.setAttribute("aria-valuetext", new Date(this.time).toLocaleTimeString());
    this.onTime(this.time, this.playing);
  }

  play(on: boolean): void {
    const end = this.track?.times.at(-1) ?? 0;
    if (on && this.time >= end) this.seek(this.track?.times[0] ?? 0); // once more from the start
    this.playing = on && this.track !== null;
    this.button.classList.toggle("is-playing", this.playing);
    this.button.setAttribute("aria-label", (this.playing ? this.button.dataset.pause : this.button.dataset.play) ?? "");
    this.last = performance.now();
    if (this.playing) requestAnimationFrame((now) => this.tick(now));
  }

  private tick(now: number): void {
    const { track } = this;
    if (!this.playing || !track) return;
    const elapsed = Math.min(250, Math.max(0, now - this.last)); // a tab that slept doesn't jump
    this.last = now;
    this.seek(afterGap(track, this.time + elapsed * Number(this.rate.value)));
    if (this.time >= (track.times.at(-1) ?? 0)) this.play(false);
    else requestAnimationFrame((next) => this.tick(next));
  }

  /** Arrows go by a minute, with Shift by ten; a range's own steps would be a thousandth of a second. */
  private key(event: KeyboardEvent): void {
    const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (event.key === " ") this.play(!this.playing);
    else if (direction) this.seek(this.time + direction * (event.shiftKey ? 600_000 : 60_000));
    else return;
    event.preventDefault();
  }
}
