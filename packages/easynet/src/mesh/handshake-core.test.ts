import { describe, expect, test } from "vitest";
import { EasynetError } from "../kernel/index.ts";
import { Handshake, type HandshakeEffect, type HandshakeInput } from "./handshake-core.ts";
import type { Hello } from "./hello.ts";

const NETWORK = "did:key:network";
const HELLO: Hello = {
  versions: { min: 1, max: 1 },
  network: NETWORK,
  membership: Uint8Array.of(1),
  name: "node",
  epoch: 7,
  addresses: [],
  frameBytesMax: 1000,
  features: [],
};
const hello: HandshakeInput = { kind: "hello", hello: HELLO };
const welcome: HandshakeInput = { kind: "welcome", version: 1 };
const opened: HandshakeInput = { kind: "opened" };
const verified: HandshakeInput = { kind: "verified" };
const kept: HandshakeInput = { kind: "kept" };
const lane: HandshakeInput = { kind: "lane" };
const stranger = new EasynetError("MEMBERSHIP_INVALID", { peer: "it", reason: "expired" });

function run(role: "dialler" | "acceptor", ...inputs: readonly HandshakeInput[]): readonly string[] {
  const handshake = new Handshake({ role, network: NETWORK, remote: "did:key:remote" });
  return inputs.flatMap((input) => handshake.step(input)).map(summary);
}

function summary(effect: HandshakeEffect): string {
  return effect.kind === "refuse" ? `refuse ${effect.reason} ${effect.error.code}` : effect.kind;
}

describe("the dialler", () => {
  test("says hello first, and welcome once the other end proved its membership and was chosen", () => {
    const effects = run("dialler", opened, hello, verified, welcome, kept);
    expect(effects).toEqual(["send-hello", "verify", "decide", "send-welcome", "admit"]);
  });

  test("waits for the verification when the welcome comes earlier", () => {
    expect(run("dialler", opened, hello, welcome)).toEqual(["send-hello", "verify"]);
    expect(run("dialler", opened, hello, welcome, verified)).toEqual(["send-hello", "verify", "decide"]);
  });
});

describe("the acceptor", () => {
  test("says nothing before it has verified the membership it was shown", () => {
    expect(run("acceptor", hello)).toEqual(["verify"]);
    expect(run("acceptor", hello, verified)).toEqual(["verify", "decide"]);
    const effects = run("acceptor", hello, verified, kept, welcome);
    expect(effects).toEqual(["verify", "decide", "send-hello", "send-welcome", "admit"]);
  });

  test("takes a lane that overtook the welcome for the welcome", () => {
    expect(run("acceptor", hello, verified, kept, lane).at(-1)).toBe("admit");
  });
});

describe("refused", () => {
  const other: HandshakeInput = { kind: "hello", hello: { ...HELLO, network: "did:key:other" } };
  const newer: HandshakeInput = { kind: "hello", hello: { ...HELLO, versions: { min: 2, max: 3 } } };
  test.for([
    { name: "another network", inputs: [other], end: "refuse network NETWORK_MISMATCH" },
    { name: "no common version", inputs: [newer], end: "refuse version VERSION_UNSUPPORTED" },
    {
      name: "a bad membership",
      inputs: [hello, { kind: "rejected", error: stranger } as const],
      end: "refuse membership MEMBERSHIP_INVALID",
    },
    { name: "a second hello", inputs: [hello, hello], end: "refuse second-hello FRAME_MALFORMED" },
    { name: "a welcome before the hello", inputs: [welcome], end: "refuse unexpected-frame FRAME_MALFORMED" },
    { name: "a welcome before ours", inputs: [hello, welcome], end: "refuse unexpected-frame FRAME_MALFORMED" },
    {
      name: "a welcome to another version",
      inputs: [hello, verified, kept, { kind: "welcome", version: 2 } as const],
      end: "refuse unexpected-frame FRAME_MALFORMED",
    },
    { name: "a lane before the hello", inputs: [lane], end: "refuse early-lane FRAME_MALFORMED" },
    { name: "a lane before the verification", inputs: [hello, lane], end: "refuse early-lane FRAME_MALFORMED" },
    {
      name: "silence",
      inputs: [{ kind: "timeout", timeoutMs: 5000 } as const],
      end: "refuse timeout DEADLINE_EXCEEDED",
    },
  ])("$name, and nothing that comes later changes it", ({ inputs, end }) => {
    expect(run("acceptor", ...inputs).at(-1)).toBe(end);
    expect(run("acceptor", ...inputs, hello, verified, kept, welcome).at(-1)).toBe(end);
  });

  test("the error tells a stranger nothing about us", () => {
    const handshake = new Handshake({ role: "acceptor", network: NETWORK, remote: "did:key:remote" });
    const [effect] = handshake.step(other);
    expect(JSON.stringify(effect)).not.toContain(NETWORK);
  });
});
