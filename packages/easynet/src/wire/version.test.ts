import { expect, test } from "vitest";
import { negotiateVersion } from "./version.ts";

test.for([
  { own: { min: 1, max: 1 }, theirs: { min: 1, max: 1 }, version: 1 },
  { own: { min: 1, max: 1 }, theirs: { min: 1, max: 4 }, version: 1 },
  { own: { min: 2, max: 5 }, theirs: { min: 1, max: 3 }, version: 3 },
  { own: { min: 1, max: 3 }, theirs: { min: 2, max: 5 }, version: 3 },
])("the newest version that both speak is taken: $own and $theirs give $version", ({ own, theirs, version }) => {
  expect(negotiateVersion(own, theirs)).toBe(version);
});

test("without a common version both ranges are named", () => {
  const run = (): number => negotiateVersion({ min: 1, max: 1 }, { min: 2, max: 3 });
  expect(run).toThrow("speaks protocol versions 2 to 3, this node 1 to 1");
});
