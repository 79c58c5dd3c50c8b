import { expect, test } from "vitest";
import { parseAmount } from "../src/billing/money";

// The same table as billing/money.py's: what the field takes, the server would read alike
test.each([
  ["300", 2, 30_000],
  ["1 234,50", 2, 123_450],
  ["1\u00a0234,5", 2, 123_450],
  ["1,234.50", 2, 123_450],
  ["1.234,50", 2, 123_450],
  ["1,234", 2, 123_400],
  ["1’234.05", 2, 123_405],
  ["0.01", 2, 1],
  ["300", 0, 300],
  ["1.234", 3, 1234],
  ["12,3x", 2, null],
  ["-5", 2, null],
  ["", 2, null],
  ["1.2.3", 2, null],
  ["12.345", 0, 12_345],
  ["0.005", 2, null],
  ["99999999999999999", 2, null],
])("%s with %i decimals is %s", (text, digits, amount) => {
  expect(parseAmount(text, digits)).toBe(amount);
});
