import { X509Certificate } from "node:crypto";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { generateCertificate, verifyPeerCertificate } from "@libp2p/tls/utils";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tries } from "../../../../test/quick.ts";
import { generateKeyPair } from "../identity/index.ts";
import { peerIdFromDid } from "./libp2p-address.ts";
import { issueCertificate, readCertificate } from "./libp2p-certificate.ts";

const keyPair = generateKeyPair();
const raw = Uint8Array.from(new X509Certificate(issueCertificate(keyPair).cert).raw);
const NOW_MS = Date.now();

describe("handshake certificate", () => {
  test("it proves the node's key", () => {
    expect(readCertificate(raw, NOW_MS)).toBe(keyPair.did);
  });

  test("libp2p's own code reads ours, and we read libp2p's", async () => {
    expect((await verifyPeerCertificate(raw)).toString()).toBe(peerIdFromDid(keyPair.did));
    const theirs = await generateCertificate(await generateKeyPairFromSeed("Ed25519", keyPair.exportSeed()));
    expect(readCertificate(new X509Certificate(theirs.cert).raw, NOW_MS)).toBe(keyPair.did);
  });

  test("no changed byte proves another key, whatever it breaks", () => {
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const altered = Uint8Array.from(raw);
        altered[at] = (altered[at] ?? 0) ^ change;
        let outcome: string;
        try {
          outcome = readCertificate(altered, NOW_MS);
        } catch (error) {
          outcome = error instanceof Error ? "refused" : "threw no error";
        }
        expect(["refused", keyPair.did]).toContain(outcome);
      }),
      tries(300),
    );
  });

  test("a truncated certificate, and noise, are errors", () => {
    for (const length of [0, 1, 20, raw.length - 1]) {
      expect(() => readCertificate(raw.subarray(0, length), NOW_MS)).toThrow(Error);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (noise) => {
        expect(() => readCertificate(noise, NOW_MS)).toThrow(Error);
      }),
    );
  });

  test("it is refused outside its time", () => {
    expect(() => readCertificate(raw, Date.UTC(1999, 0, 1))).toThrow(/not valid now/);
  });
});
