/* The server writes times in UTC, since it doesn't know the viewer's zone; the browser does. */
import { formatAgo, formatFull, formatTime } from "./format";

/** Of `data-ago` how long ago, of `data-clock` the time of day (with the date, when it isn't today), of `data-full` all of it. */
export function tellTimes(): void {
  const now = Date.now();
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-ago], time[data-clock], time[data-full]")) {
    const instant = Date.parse(time.dateTime);
    const { ago, clock } = time.dataset;
    const text = ago !== undefined ? formatAgo(instant, now) : clock !== undefined ? formatTime(instant, now) : formatFull(instant);
    if (time.textContent !== text) time.textContent = text;
    time.title ||= formatFull(instant);
  }
}

export function keepTellingTimes(): void {
  tellTimes();
  setInterval(tellTimes, 5_000);
  document.addEventListener("htmx:after:swap", tellTimes);
}
