import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tries } from "../../../../test/quick.ts";
import { codePoint } from "../../../../test/arbitraries/any-text.ts";
import { isEasynetError } from "../kernel/index.ts";
import { encodeCrockford } from "./crockford.ts";
import { type Invite, issueInvite, proveInvite, verifyInviteProof } from "./invite.ts";
import { encodeInviteCode, parseInviteCode } from "./invite-code.ts";
import { generateKeyPair } from "./keys.ts";

const NOW_MS = 1_700_000_000_000;
const network = generateKeyPair().did;
const issuer = generateKeyPair();
const joiner = generateKeyPair().did;

async function make(changes: Partial<Parameters<typeof issueInvite>[1]> = {}): Promise<Invite> {
  const { key: _, ...invite } = await issueInvite(issuer, {
    network,
    networkName: "home",
    nowMs: NOW_MS,
    timeToLiveMs: 900_000,
    issuerAddresses: ["/ip4/192.168.1.20/tcp/7441", "/dns/desk.example/tcp/1"],
    memberAddresses: ["/ip4/10.0.0.1/tcp/65535"],
    ...changes,
  });
  return invite;
}

const invite = await make();
const code = encodeInviteCode(invite);
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const failure = expect.objectContaining({ code: "INVITE_INVALID" });

/** What came out of a text that may be refused. */
function read(text: string): Invite | "refused" {
  try {
    return parseInviteCode(text);
  } catch (error) {
    if (isEasynetError(error, "INVITE_INVALID")) return "refused";
    throw error;
  }
}

describe("an invitation code", () => {
  test("reads back whole, whatever addresses and names it holds", () => {
    const address = fc.oneof(
      fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `/ip4/${host}/tcp/${port}`),
      fc.domain().map((host) => `/dns/${host}/tcp/443`),
    );
    const lists = fc.tuple(fc.array(address, { maxLength: 4 }), fc.array(address, { maxLength: 2 }));
    fc.assert(
      fc.property(lists, fc.string({ unit: "grapheme", maxLength: 12 }), ([own, others], networkName) => {
        fc.pre([...own, ...others].every((text) => text.length <= 190));
        const whole = { ...invite, issuerAddresses: own, memberAddresses: others, networkName };
        fc.pre(new TextEncoder().encode(networkName).length <= 60);
        expect(parseInviteCode(encodeInviteCode(whole))).toEqual(whole);
      }),
    );
  });

  test("is read in any case and grouping, with O for 0 and I or L for 1", () => {
    const sloppy = code.toLowerCase().replaceAll("-", " \n").replaceAll("0", "o").replaceAll("1", "l");
    expect(parseInviteCode(sloppy)).toEqual(invite);
  });

  test("names the group in which one character is wrong, for every character and place", () => {
    for (let at = 0; at < code.length; at++) {
      if (code.charAt(at) === "-") continue;
      const wrong = ALPHABET.charAt((ALPHABET.indexOf(code.charAt(at)) + 1 + (at % 31)) % 32);
      const group = Math.floor(at / 11) + 1;
      expect(() => parseInviteCode(code.slice(0, at) + wrong + code.slice(at + 1))).toThrow(`group ${group} `);
    }
  });

  test("with two neighbours swapped or a group moved is never taken for another one", () => {
    const groups = code.split("-");
    for (let at = 0; at + 1 < code.length; at++) {
      const swapped = code.slice(0, at) + code.charAt(at + 1) + code.charAt(at) + code.slice(at + 2);
      expect([invite, "refused"]).toContainEqual(read(swapped));
    }
    for (let at = 0; at + 1 < groups.length; at++) {
      const moved = groups.with(at, groups[at + 1] ?? "").with(at + 1, groups[at] ?? "");
      expect(read(moved.join("-"))).toBe("refused");
      expect(read(groups.toSpliced(at, 1).join("-"))).toBe("refused");
    }
  });

  test("altered anywhere by hand or by chance is refused or the same, never another invitation", () => {
    const place = fc.integer({ min: 0, max: code.length - 1 });
    const edits = fc.array(fc.tuple(place, fc.constantFrom(...ALPHABET.split(""))), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(edits, (changes) => {
        const characters = code.split("");
        for (const [at, character] of changes) characters[at] = character;
        expect([invite, "refused"]).toContainEqual(read(characters.join("")));
      }),
      tries(2000),
    );
  });

  test("of any text or bytes is refused, never anything worse", () => {
    const texts = fc.oneof(fc.string({ unit: codePoint }), fc.uint8Array({ maxLength: 300 }).map(encodeCrockford));
    fc.assert(
      fc.property(texts, (text) => {
        expect(read(text)).toBe("refused");
      }),
    );
    expect(read("A".repeat(100_000))).toBe("refused");
  });
});

describe("what a joiner shows", () => {
  const options = { network, issuer: issuer.did, joiner, nowMs: NOW_MS };

  test("is taken for its own key, also out of a code", async () => {
    const proof = await proveInvite(parseInviteCode(code), { joiner, nowMs: NOW_MS });
    await expect(verifyInviteProof(proof, options)).resolves.toBeUndefined();
  });

  test("is of no use to another machine, in another network, too late or too early", async () => {
    const proof = await proveInvite(invite, { joiner, nowMs: NOW_MS });
    const thief = { ...options, joiner: generateKeyPair().did };
    await expect(verifyInviteProof(proof, thief)).rejects.toEqual(failure);
    await expect(verifyInviteProof(proof, { ...options, network: generateKeyPair().did })).rejects.toEqual(failure);
    await expect(verifyInviteProof(proof, { ...options, issuer: generateKeyPair().did })).rejects.toEqual(failure);
    const late = { ...options, nowMs: NOW_MS + 900_000 };
    await expect(verifyInviteProof(proof, late)).rejects.toMatchObject({ code: "INVITE_EXPIRED" });
    await expect(verifyInviteProof(proof, { ...options, nowMs: NOW_MS - 120_000 })).rejects.toEqual(failure);
  });

  test("cannot be made for longer, for another network or issuer or with another secret than was delegated", async () => {
    const at = { joiner, nowMs: NOW_MS };
    const secret = invite.secret.map((byte) => byte ^ 1);
    for (const altered of [
      { ...invite, expiresSeconds: invite.expiresSeconds + 1 },
      { ...invite, notBeforeSeconds: invite.notBeforeSeconds - 1 },
      { ...invite, network: generateKeyPair().did },
      { ...invite, issuer: generateKeyPair().did },
      { ...invite, secret },
    ]) {
      await expect(proveInvite(altered, at)).rejects.toEqual(failure);
    }
  });

  test("is refused with any byte of its signature or delegation changed", async () => {
    const proof = await proveInvite(invite, { joiner, nowMs: NOW_MS });
    for (let at = 0; at < proof.delegation.length; at++) {
      const delegation = proof.delegation.map((byte, index) => (index === at ? byte ^ 0x10 : byte));
      await expect(verifyInviteProof({ ...proof, delegation }, options)).rejects.toMatchObject({
        code: expect.stringMatching(/^INVITE_/),
      });
    }
    const signature = proof.signature.map((byte, index) => (index === 5 ? byte ^ 1 : byte));
    await expect(verifyInviteProof({ ...proof, signature }, options)).rejects.toEqual(failure);
  });
});
