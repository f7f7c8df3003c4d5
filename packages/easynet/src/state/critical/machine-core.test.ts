import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { QUOTA_BYTES_MAX, SESSION_MS, SESSIONS_COUNT_MAX } from "./limits.ts";
import { counterOf, Machine } from "./machine-core.ts";
import { batchFields, batchFrom, replyFields, replyFrom } from "./operation-codec.ts";
import type { Batch, Operation } from "./operations.ts";
import { decodeMachine, encodeMachine } from "./snapshot-codec.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";

const key = fc.constantFrom("a", "b", "c/1", "c/2", "数");
const value = fc.uint8Array({ maxLength: 20 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant("put"), key, value }),
  fc.record({ kind: fc.constant("delete"), key }),
  fc.record({ kind: fc.constant("set"), key, revision: fc.nat(30), value: fc.option(value, { nil: undefined }) }),
  fc.record({ kind: fc.constant("add"), key, by: fc.integer({ min: -5, max: 5 }) }),
  fc.record({
    kind: fc.constant("acquire"),
    resource: key,
    owner: fc.constantFrom("x", "y"),
    ttlMs: fc.constant(1000),
  }),
  fc.record({ kind: fc.constant("release"), resource: key, token: fc.nat(30) }),
);
const script = fc.array(fc.array(operation, { minLength: 1, maxLength: 4 }), { maxLength: 30 });
const open = (client = "c"): Batch => ({ client, sequence: 0, answeredBelow: 0, operations: [] });
const batch = (sequence: number, operations: readonly Operation[], answeredBelow = 0): Batch => ({
  client: "c",
  sequence,
  answeredBelow,
  operations,
});

function play(operations: readonly (readonly Operation[])[], machine = new Machine()): Machine {
  machine.apply(open(), 1);
  for (const [index, each] of operations.entries()) machine.apply(batch(index + 1, each), 1);
  return machine;
}

describe("the replicated state", () => {
  test("a state taken and built again anywhere in the log goes on as if nothing had been", () => {
    fc.assert(
      fc.property(script, fc.nat(30), (operations, cut) => {
        const whole = play(operations);
        const copied = decodeMachine(encodeMachine(play(operations.slice(0, cut))));
        for (const [index, each] of operations.entries()) {
          if (index >= cut) copied.apply(batch(index + 1, each), 1);
        }
        expect(encodeMachine(copied)).toEqual(encodeMachine(whole));
        expect(copied.bytes).toBe(whole.bytes);
      }),
    );
  });

  test("a repeated batch gives the same replies, changes nothing and tells nobody", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(operation, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 30 }),
        fc.nat(30),
        (operations, pick) => {
          const machine = new Machine();
          machine.apply(open(), 1);
          const replies = operations.map((each, index) => machine.apply(batch(index + 1, each), 1).replies);
          const repeated = pick % operations.length;
          const before = machine.revision;
          const again = machine.apply(batch(repeated + 1, operations[repeated] ?? []), 1);
          expect(again).toEqual({ replies: replies[repeated], events: [] });
          expect(machine.revision).toBe(before);
        },
      ),
    );
  });

  test("events lead a copy to the same keys, with revisions that rise", () => {
    fc.assert(
      fc.property(script, (operations) => {
        const machine = new Machine();
        machine.apply(open(), 1);
        const copy = new Map<string, Uint8Array>();
        let last = 0;
        for (const [index, each] of operations.entries()) {
          for (const event of machine.apply(batch(index + 1, each), 1).events) {
            expect(event.revision).toBeGreaterThan(last);
            last = event.revision;
            if (event.value) copy.set(event.key, event.value);
            else copy.delete(event.key);
          }
        }
        expect(new Map(Array.from(machine.items.values(), (item) => [item.key, item.value]))).toEqual(copy);
      }),
    );
  });

  test("tokens of a resource only rise, also within one batch", () => {
    fc.assert(
      fc.property(script, (operations) => {
        const machine = new Machine();
        machine.apply(open(), 1);
        const tokens = new Map<string, number>();
        for (const [index, each] of operations.entries()) {
          for (const reply of machine.apply(batch(index + 1, each), 1).replies ?? []) {
            if (reply.kind !== "granted") continue;
            const { resource, token } = reply.lease;
            expect(token).toBeGreaterThan(tokens.get(resource) ?? 0);
            tokens.set(resource, token);
          }
        }
      }),
    );
  });

  test("operations and replies read as they were written", () => {
    fc.assert(
      fc.property(script, (operations) => {
        const machine = new Machine();
        machine.apply(open(), 1);
        for (const [index, each] of operations.entries()) {
          const sent = batch(index + 1, each);
          expect(batchFrom(decodeValue(encodeValue(batchFields(sent))))).toEqual(sent);
          for (const reply of machine.apply(sent, 1).replies ?? []) {
            expect(replyFrom(decodeValue(encodeValue(replyFields(reply))))).toEqual(reply);
          }
        }
      }),
    );
  });
});

describe("a client session", () => {
  const put: Operation = { kind: "put", key: "a", value: new Uint8Array(1) };

  test("without a session nothing is done: it cannot be known whether it was done before", () => {
    const machine = new Machine();
    expect(machine.apply(batch(1, [put]), 1)).toEqual({ replies: undefined, events: [] });
    expect(machine.items.count).toBe(0);
  });

  test("ends an hour after its last use by the time of the log, which never goes back", () => {
    const machine = play([[put]]);
    machine.apply(open("other"), SESSION_MS);
    expect(machine.apply(batch(2, [put]), 5).replies).toBeDefined();
    machine.apply(open("other"), SESSION_MS * 2);
    expect(machine.apply(batch(3, [put]), 0).replies).toBeUndefined();
    expect(machine.timeMs).toBe(SESSION_MS * 2);
  });

  test("replies that the client has are forgotten, and their batches are not carried out again", () => {
    const machine = play([[put], [put]]);
    machine.apply(batch(3, [put], 3), 1);
    const before = machine.revision;
    expect(machine.apply(batch(1, [put]), 1).replies).toBeUndefined();
    expect(machine.apply(batch(3, [put]), 1).replies).toHaveLength(1);
    expect(machine.revision).toBe(before);
  });

  test("the one unused for longest makes place beyond the limit", () => {
    const machine = new Machine();
    for (let index = 0; index <= SESSIONS_COUNT_MAX; index++) machine.apply(open(`c${index}`), 1);
    expect(machine.apply({ ...batch(1, [put]), client: "c0" }, 1).replies).toBeUndefined();
    expect(machine.apply({ ...batch(1, [put]), client: "c1" }, 1).replies).toBeDefined();
  });
});

describe("the limit of a group", () => {
  test("beyond it writes are refused, and deletes and smaller values are not", () => {
    const machine = new Machine();
    machine.apply(open(), 1);
    const large = (name: number): Operation => ({ kind: "put", key: `k${name}`, value: new Uint8Array(256 * 1024) });
    let sequence = 1;
    const run = (one: Operation) => machine.apply(batch(sequence, [one], sequence++), 1).replies?.[0]?.kind;
    for (let name = 0; run(large(name)) === "written"; name++);
    expect(machine.bytes).toBeLessThanOrEqual(QUOTA_BYTES_MAX);
    expect(run(large(1000))).toBe("full");
    expect(run(large(0))).toBe("written");
    expect(run({ kind: "delete", key: "k0" })).toBe("removed");
    expect(run(large(1000))).toBe("written");
  });

  test("a counter's value is read only when it is one", () => {
    expect(counterOf(Buffer.from("-12"))).toBe(-12);
    for (const text of ["", "1.5", "0x1", "12345678901234567", "1e3", " 1"]) {
      expect(counterOf(Buffer.from(text))).toBeUndefined();
    }
  });
});
