import { describe, expect, it } from "vitest";
import type { Alert } from "../src/api";
import { Stack } from "../src/alerts/toasts";

const alert = (id: number, urgent = false): Alert => ({ id, urgent }) as Alert;
const shown = (stack: Stack): number[] => stack.shown.map(({ id }) => id);

describe("alerts on the screen", () => {
  it("are three at most, the rest a number", () => {
    const stack = new Stack();
    for (let id = 1; id <= 8; id++) stack.add(alert(id));
    expect([shown(stack), stack.more]).toEqual([[1, 2, 3], 5]);
  });

  it("are one at most on a phone, and an urgent one takes its place", () => {
    const stack = new Stack(1);
    for (const one of [alert(1), alert(2), alert(3, true)]) stack.add(one);
    expect([shown(stack), stack.more]).toEqual([[3], 2]);
  });

  it("make room for urgent ones", () => {
    const stack = new Stack();
    for (const one of [alert(1), alert(2, true), alert(3), alert(4, true), alert(5, true), alert(6, true)]) stack.add(one);
    expect([shown(stack), stack.more]).toEqual([[2, 4, 5], 3]);
    stack.remove(4);
    expect([shown(stack), stack.more]).toEqual([[2, 5, 6], 2]);
    stack.remove(2);
    expect(shown(stack)).toEqual([5, 6]); // 1 and 3 don't come forward again
  });

  it("come once", () => {
    const stack = new Stack();
    expect(stack.add(alert(1))).toBe(true);
    stack.remove(1);
    expect(stack.add(alert(1))).toBe(false);
    expect(shown(stack)).toEqual([]);
  });

  it("are over when the last is closed", () => {
    const stack = new Stack();
    for (let id = 1; id <= 5; id++) stack.add(alert(id));
    for (const id of [1, 2, 3]) stack.remove(id);
    expect(stack.more).toBe(0);
  });
});
