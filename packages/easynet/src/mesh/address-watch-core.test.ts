import * as fc from "fast-check";
import { expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { AddressWatch } from "./address-watch-core.ts";

verifies("mesh:topology:adapt");

const start = { hosts: ["192.168.1.2"], wallMs: 1_000_000, monotonicMs: 500 };
const later = (ms: number, change: Partial<typeof start> = {}) => ({
  ...start,
  wallMs: start.wallMs + ms,
  monotonicMs: start.monotonicMs + ms,
  ...change,
});

test("a new network is told with what came and what went, once", () => {
  const watch = new AddressWatch(start);
  const moved = { hosts: ["10.0.0.5"] };
  expect(watch.step(later(2000, moved))).toEqual({ added: ["10.0.0.5"], gone: ["192.168.1.2"], slept: false });
  expect(watch.step(later(4000, moved))).toBeUndefined();
});

test("sleep shows as a wall clock that ran ahead, or as a process that stood still", () => {
  expect(new AddressWatch(start).step(later(2000, { wallMs: start.wallMs + 60_000 }))?.slept).toBe(true);
  expect(new AddressWatch(start).step(later(60_000))?.slept).toBe(true);
  expect(new AddressWatch(start).step(later(4000))).toBeUndefined();
});

test("the changes told add up to what is there", () => {
  const hosts = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"));
  fc.assert(
    fc.property(fc.array(hosts), (looks) => {
      const watch = new AddressWatch({ ...start, hosts: [] });
      const known = new Set<string>();
      for (const [index, look] of looks.entries()) {
        const change = watch.step({ ...later(2000 * (index + 1)), hosts: look });
        for (const host of change?.gone ?? []) known.delete(host);
        for (const host of change?.added ?? []) known.add(host);
        expect([...known].sort()).toEqual([...look].sort());
      }
    }),
  );
});
