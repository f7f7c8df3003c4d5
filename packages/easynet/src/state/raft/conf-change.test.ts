import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeValue } from "../../wire/index.ts";
import {
  CHANGE_CONTEXT_BYTES_MAX,
  CHANGES_COUNT_MAX,
  decodeConfChange,
  encodeConfChange,
  jointOf,
  LEAVE_JOINT,
  LEAVE_JOINT_ENTRY,
  toV2,
} from "./conf-change.ts";
import type { ConfChange, ConfChangeV2 } from "./types.ts";

const single = {
  type: fc.constantFrom(
    "ConfChangeAddNode" as const,
    "ConfChangeRemoveNode" as const,
    "ConfChangeUpdateNode" as const,
    "ConfChangeAddLearnerNode" as const,
  ),
  nodeId: fc.oneof(
    fc.integer({ min: 0, max: 9 }),
    fc.maxSafeNat().map((id) => Math.min(id, 2 ** 53 - 3)),
  ),
};
const context = fc.uint8Array({ maxLength: 40 });
const v1 = fc.record<ConfChange>({ ...single, context }, { requiredKeys: ["type", "nodeId"] });
const v2 = fc.record<ConfChangeV2>(
  {
    transition: fc.constantFrom(
      "ConfChangeTransitionAuto",
      "ConfChangeTransitionJointImplicit",
      "ConfChangeTransitionJointExplicit",
    ),
    changes: fc.array(fc.record(single), { maxLength: 5 }),
    context,
  },
  { requiredKeys: ["transition", "changes"] },
);

describe("a change of members as an entry", () => {
  test("comes back as it was", () => {
    fc.assert(
      fc.property(fc.oneof(v1, v2), (change) => {
        expect(decodeConfChange(encodeConfChange(change))).toEqual(change);
      }),
    );
  });

  test("without data leaves a joint configuration", () => {
    expect(decodeConfChange(LEAVE_JOINT_ENTRY)).toEqual(LEAVE_JOINT);
    expect(decodeConfChange({ type: "EntryNormal", data: new Uint8Array() })).toBeUndefined();
  });

  test("enters a joint configuration when told so or when it has several parts", () => {
    const changes = [{ type: "ConfChangeAddNode", nodeId: 4 }] as const;
    expect(jointOf(toV2({ type: "ConfChangeRemoveNode", nodeId: 1 }))).toBe("simple");
    expect(jointOf({ transition: "ConfChangeTransitionAuto", changes: [...changes, ...changes] })).toBe("auto");
    expect(jointOf({ transition: "ConfChangeTransitionJointImplicit", changes })).toBe("auto");
    expect(jointOf({ transition: "ConfChangeTransitionJointExplicit", changes: [] })).toBe("explicit");
    expect(jointOf(LEAVE_JOINT)).toBe("leave");
  });

  test("beyond its limits is not made", () => {
    const changes = Array.from(
      { length: CHANGES_COUNT_MAX + 1 },
      (_, at) => ({ type: "ConfChangeAddNode", nodeId: at }) as const,
    );
    const tooMany = { transition: "ConfChangeTransitionAuto", changes } as const;
    const tooLong = { ...LEAVE_JOINT, context: new Uint8Array(CHANGE_CONTEXT_BYTES_MAX + 1) };
    for (const change of [tooMany, tooLong]) expect(() => encodeConfChange(change)).toThrow(/too large/);
  });

  test.each([
    ["EntryConfChange", 7],
    ["EntryConfChange", [9, 1]],
    ["EntryConfChange", [0, -1]],
    ["EntryConfChange", [0, 1, "text"]],
    ["EntryConfChangeV2", [3, []]],
    ["EntryConfChangeV2", [0, [[0]]]],
    ["EntryConfChangeV2", [0, [], new Uint8Array(CHANGE_CONTEXT_BYTES_MAX + 1)]],
    ["EntryConfChangeV2", [0, [], new Uint8Array(), 1]],
  ] as const)("%s %j is refused", (type, value) => {
    expect(() => decodeConfChange({ type, data: encodeValue(value) })).toThrow(
      expect.objectContaining({ code: "FRAME_MALFORMED" }),
    );
  });
});
