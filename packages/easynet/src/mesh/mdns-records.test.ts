import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generateKeyPair } from "../identity/index.ts";
import { peerIdFromDid } from "./libp2p-address.ts";
import { announcement, type MdnsSelf, networkTag, readAnswers } from "./mdns-records.ts";

const network = generateKeyPair().did;
const self = (name: string): MdnsSelf => ({
  networkTag: networkTag(network),
  did: generateKeyPair().did,
  name,
  port: 7441,
});
const here = self("amber-fox");
const there = self("cobalt-owl");

describe("mDNS records", () => {
  test("an announcement is read as a hint with the sender's address first", () => {
    const key = peerIdFromDid(there.did);
    expect(readAnswers(here, announcement(there, "10.0.0.2"), "10.0.0.9")).toEqual({
      kind: "hint",
      leaving: false,
      hint: {
        did: there.did,
        name: "cobalt-owl",
        addresses: [`/ip4/10.0.0.9/tcp/7441/p2p/${key}`, `/ip4/10.0.0.2/tcp/7441/p2p/${key}`],
      },
    });
  });

  test("a goodbye is read as leaving", () => {
    expect(readAnswers(here, announcement(there, "10.0.0.2", true), "10.0.0.2")).toMatchObject({ leaving: true });
  });

  test("an announcement names no network, only a digest of it", () => {
    const text = JSON.stringify(announcement(there, "10.0.0.2"));
    expect(text).not.toContain(network);
    expect(text).not.toContain(network.slice("did:key:".length));
    expect(text).toContain(`net=${networkTag(network)}`);
    expect(networkTag(network)).toMatch(/^[0-9a-f]{16}$/);
  });

  test("every text fits the 255 bytes of a TXT string", () => {
    const texts = announcement(self("n".repeat(63)), "10.0.0.2").flatMap((one) =>
      one.type === "TXT" && Array.isArray(one.data) ? one.data : [],
    );
    expect(texts).toHaveLength(5);
    expect(Math.max(...texts.map((text) => Buffer.byteLength(text)))).toBeLessThan(255);
  });

  test("our own announcement and those of other networks give no hint", () => {
    const stranger = { ...there, networkTag: networkTag(generateKeyPair().did) };
    expect(readAnswers(here, announcement(here, "10.0.0.1"), "10.0.0.1")).toEqual({ kind: "own" });
    expect(readAnswers(here, announcement(stranger, "10.0.0.1"), "10.0.0.1")).toEqual({ kind: "foreign" });
  });

  test("whatever the text record holds, reading it never throws and never invents a hint", () => {
    const strings = fc.array(fc.oneof(fc.string(), fc.constantFrom("v=1", `did=${there.did}`, "port=0", "port=70000")));
    fc.assert(
      fc.property(strings, (data) => {
        const answers = [{ type: "TXT", name: "x._easynet._tcp.local", data } as const];
        expect(readAnswers(here, answers, "10.0.0.1").kind).not.toBe("hint");
      }),
    );
  });
});
