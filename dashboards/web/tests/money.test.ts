import { expect, test } from "vitest";
import { formatMoney, parseAmount } from "../src/billing/money";

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

// The same table as tests/billing/test_money.py's: what a script writes stands beside what the server wrote
test.each([
  [3_561_098, "KZT", 2, "en", "₸35,610.98"],
  [3_561_098, "KZT", 2, "ru", "35 610,98 ₸"],
  [3_561_098, "KZT", 2, "kk", "35 610,98 ₸"],
  [968, "EUR", 2, "en", "€9.68"],
  [968, "RUB", 2, "en", "₽9.68"],
  [968, "UAH", 2, "kk", "9,68 ₴"],
  [968, "PLN", 2, "en", "zł 9.68"],
  [968, "CHF", 2, "en", "CHF 9.68"],
  [968, "KGS", 2, "ru", "9,68 KGS"],
  [968, "CAD", 2, "en", "CA$9.68"],
  [968, "HUF", 2, "en", "Ft 9.68"],
  [968, "RSD", 0, "en", "RSD 968"],
  [1_968, "JPY", 0, "kk", "1 968 ¥"],
  [1_968, "KWD", 3, "en", "KWD 1.968"],
])("%i of %s with %i decimals in %s is %s", (amount, currency, digits, language, text) => {
  expect(formatMoney(amount, currency, digits, language).replace(/\u00a0/g, " ")).toBe(text);
});
