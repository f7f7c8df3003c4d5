import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { verifies } from "../../../../../test/requirements.ts";
import { isEasynetError } from "../../kernel/index.ts";
import { decodeBody, encodeBody } from "./body-codec.ts";
import { KindRegistry } from "./kinds.ts";
import { KINDS_COUNT_MAX } from "./limits.ts";

/** One payload of each kind of the seeds that fits. */
const FITTING: Readonly<Record<string, unknown>> = {
  "task-request": { taskId: "t1", taskType: "ocr", parameters: { page: 1 }, requiredCapabilities: ["ocr"] },
  "task-response": { taskId: "t1", state: "completed", result: 4 },
  "execute-task": { taskId: "t1", capability: "add", args: [1, 2] },
  "collaboration-request": { collaborationId: "c1", goal: "translate the book", roles: ["reviewer"] },
  "collaboration-response": { collaborationId: "c1", accepted: false, reason: "no time" },
  "resource-request": { resource: "gpu", amount: 2, unit: "cards", durationMs: 60_000 },
  "resource-response": { resource: "gpu", granted: true, amount: 2 },
  command: { command: "pause" },
  query: { query: "who is there" },
  response: "anything",
  "status-update": { status: "busy", loadRatio: 0.7 },
  heartbeat: { atMs: 1 },
  discovery: { capability: "ocr" },
  "conflict-notification": { conflictId: "x", parties: ["a", "b"], about: "the same file" },
  emergency: { reason: "fire" },
  "state-sync": { scope: "plan", version: 3, state: {} },
  broadcast: { subject: "lunch", text: "at noon" },
};

describe("kinds of messages", () => {
  verifies("messaging:kinds:all");

  test("every kind of the first designs is known, and takes what it names", () => {
    const kinds = new KindRegistry();
    expect([...kinds.names()].sort()).toEqual(Object.keys(FITTING).sort());
    for (const [kind, payload] of Object.entries(FITTING)) expect(() => kinds.check(kind, payload)).not.toThrow();
  });

  test("every kind with a schema refuses a payload that is none of its", () => {
    const kinds = new KindRegistry();
    for (const name of kinds.names().filter((kind) => kind !== "response")) {
      expect(() => kinds.check(name, "not this")).toThrow(expect.objectContaining({ code: "PAYLOAD_INVALID" }));
    }
    expect(() => kinds.check("resource-request", { resource: "gpu", amount: -1 })).toThrow("amount");
  });

  test("the answer of every kind is a kind too", () => {
    const kinds = new KindRegistry();
    for (const name of kinds.names()) expect(kinds.get(kinds.require(name).answer)).toBeDefined();
    expect(kinds.require("task-request").answer).toBe("task-response");
  });

  test("emergencies go first and survive; heartbeats are forgotten", () => {
    const kinds = new KindRegistry();
    expect(kinds.require("emergency")).toMatchObject({ priority: "critical", durability: "disk" });
    expect(kinds.require("heartbeat")).toMatchObject({ priority: "low", durability: "volatile" });
  });

  test("an application adds kinds of its own, each once", () => {
    const kinds = new KindRegistry();
    const schema = z.object({ orderId: z.string() });
    expect(kinds.define({ name: "order-placed", schema })).toMatchObject({ durability: "disk", answer: "response" });
    expect(() => kinds.check("order-placed", { orderId: 4 })).toThrow("orderId");
    expect(() => kinds.define({ name: "order-placed" })).toThrow(expect.objectContaining({ code: "KIND_EXISTS" }));
    expect(() => kinds.define({ name: "emergency" })).toThrow(expect.objectContaining({ code: "KIND_EXISTS" }));
  });

  test.each(["", "Order", "a b", "-a", "a--b", "a".repeat(81), "订单"])("%j cannot be a kind's name", (name) => {
    expect(() => new KindRegistry().define({ name })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("there is an end to the list", () => {
    const kinds = new KindRegistry();
    for (let number = kinds.names().length; number < KINDS_COUNT_MAX; number++) kinds.define({ name: `k${number}` });
    expect(() => kinds.define({ name: "one-more" })).toThrow(expect.objectContaining({ code: "OVERLOADED" }));
  });

  test("an unknown kind is refused by name, and counted under one label", () => {
    const kinds = new KindRegistry();
    expect(() => kinds.require("satus-update")).toThrow(expect.objectContaining({ code: "KIND_UNKNOWN" }));
    expect(kinds.label("satus-update")).toBe("undefined");
  });
});

describe("bodies of messages", () => {
  test("every form comes back as it was", () => {
    const error = { code: "MESSAGE_UNKNOWN", message: "no", retryable: false, details: { kind: "x" } };
    for (const form of ["one-way", "request", "answer"] as const) {
      expect(decodeBody("x", encodeBody({ form, value: { a: [1, "二"] } }))).toEqual({ form, value: { a: [1, "二"] } });
    }
    expect(decodeBody("x", encodeBody({ form: "failure", error }))).toEqual({ form: "failure", error });
    const topic = { form: "topic", topic: "news", value: 1 } as const;
    expect(decodeBody("x", encodeBody(topic))).toEqual(topic);
  });

  test("whatever bytes a peer sends, reading them ends in a body or in PAYLOAD_INVALID", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(["one-way", "request", "answer", "failure", "topic", "PAYLOAD_INVALID"]).toContain(formOf(bytes));
      }),
    );
  });
});

function formOf(bytes: Uint8Array): string {
  try {
    return decodeBody("x", bytes).form;
  } catch (error) {
    return isEasynetError(error) ? error.code : "another error";
  }
}
