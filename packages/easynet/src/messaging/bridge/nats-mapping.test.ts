import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { idOf, subjectOf } from "./nats-mapping.ts";

const place = { stream: "orders", sequence: 7 };

describe("a topic on NATS", () => {
  test("is one token of a subject, and no two topics are the same one", () => {
    const topic = fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" });
    fc.assert(
      fc.property(topic, topic, (one, other) => {
        expect(subjectOf("easynet", one)).toMatch(/^easynet\.[A-Za-z0-9_=-]+$/);
        expect(subjectOf("easynet", one) === subjectOf("easynet", other)).toBe(one === other);
      }),
    );
    expect(subjectOf("easynet", "a.b *>=")).toBe("easynet.a=2Eb=20=2A=3E=3D");
  });
});

describe("the id of a message from NATS", () => {
  test("is the publisher's UUID, or one made of the name or the place, the same each time", () => {
    const named = "0190B8A4-7d3e-7abc-8def-0123456789ab";
    expect(idOf(named, place)).toBe(named.toLowerCase());
    const made = [idOf("", place), idOf("order 1", place), idOf("", { ...place, sequence: 8 })];
    expect(new Set(made).size).toBe(3);
    for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([idOf("", place), idOf("order 1", { ...place, sequence: 9 })]).toEqual(made.slice(0, 2));
  });
});
