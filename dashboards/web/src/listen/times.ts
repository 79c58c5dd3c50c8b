/* The time of day to the millisecond: packets come in heaps. */
import { dateFormat } from "../intl";

const clock = dateFormat({ hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const timeFormat = (moment: number): string => `${clock.format(new Date(moment))}.${String(moment % 1000).padStart(3, "0")}`;
