import { expect, test } from "vitest";
import type { FleetEvent } from "../src/api";
import { typeNames } from "../src/rules/sentence";
import { eventName } from "../src/words";

test("whatever a rule can be about has a name among the events", () => {
  const nameless = Object.keys(typeNames()).filter((type) => eventName({ type, attributes: {} } as FleetEvent) === type);
  expect(nameless).toEqual([]);
});
