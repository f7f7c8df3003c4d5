import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  deriveHpkeKeyPair,
  type HpkeContext,
  type HpkeSuite,
  setupHpkeReceiver,
  setupHpkeSender,
  x25519KeyPair,
} from "../packages/easynet/src/identity/index.ts";
import { type Case, runSuite } from "./suite.ts";

interface Vector {
  readonly mode: 0 | 2;
  readonly kdf_id: 1 | 3;
  readonly aead_id: 1 | 2 | 3;
  readonly info: string;
  readonly ikmE: string;
  readonly ikmR: string;
  readonly ikmS?: string;
  readonly skRm: string;
  readonly pkRm: string;
  readonly skSm?: string;
  readonly pkSm?: string;
  readonly enc: string;
  readonly encryptions: readonly {
    readonly seq: number;
    readonly aad: string;
    readonly ct: string;
    readonly pt: string;
  }[];
  readonly exports: readonly {
    readonly exporter_context: string;
    readonly L: number;
    readonly exported_value: string;
  }[];
}

const HASHES = { 1: "sha256", 3: "sha512" } as const;
const AEADS = { 1: "aes-128-gcm", 2: "aes-256-gcm", 3: "chacha20-poly1305" } as const;

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

// RFC 9180's own vectors, X25519, modes base and auth: each ciphertext opened and made again (and refused when a bit of
// it, of its associated data, of info or of the encapsulated key is another), each export on both sides.
await runSuite({
  name: "hpke",
  folder: "hpke",
  caseCount: 96,
  async run(folder) {
    const vectors: readonly Vector[] = JSON.parse(await readFile(join(folder, "x25519.json"), "utf8"));
    return vectors.flatMap(check);
  },
});

function check(vector: Vector): Case[] {
  const suite: HpkeSuite = { hash: HASHES[vector.kdf_id], aead: AEADS[vector.aead_id] };
  const title = `mode ${vector.mode}, ${suite.hash}, ${suite.aead}`;
  const recipient = x25519KeyPair(bytes(vector.skRm));
  const { encapsulated, context: sealing } = setupHpkeSender({
    suite,
    info: bytes(vector.info),
    recipient: bytes(vector.pkRm),
    ephemeral: deriveHpkeKeyPair(bytes(vector.ikmE)),
    ...(vector.ikmS !== undefined && { sender: deriveHpkeKeyPair(bytes(vector.ikmS)) }),
  });
  const receive = (flip: "enc" | "info" | undefined): HpkeContext =>
    setupHpkeReceiver({
      suite,
      info: flip === "info" ? flipped(bytes(vector.info)) : bytes(vector.info),
      recipient,
      encapsulated: flip === "enc" ? flipped(bytes(vector.enc)) : bytes(vector.enc),
      ...(vector.pkSm !== undefined && { sender: bytes(vector.pkSm) }),
    });
  const keysRight =
    hex(encapsulated) === vector.enc && hex(deriveHpkeKeyPair(bytes(vector.ikmR)).publicKey) === vector.pkRm;
  const opening = receive(undefined);
  return [
    ...messages(vector, { sealing, opening, strangers: [receive("enc"), receive("info")] }),
    ...vector.exports.map(({ exporter_context: context, L, exported_value: value }): Case => {
      const made = [sealing, opening].map((side) => hex(side.export(bytes(context), L)));
      const right = keysRight && made.every((each) => each === value);
      return { name: `export ${context}`, failure: right ? undefined : `${made.join(" and ")}, not ${value}` };
    }),
  ].map((item) => ({ ...item, name: `${title}, ${item.name}` }));
}

interface Sides {
  readonly sealing: HpkeContext;
  readonly opening: HpkeContext;
  /** Receivers with another key, which must open nothing. */
  readonly strangers: readonly HpkeContext[];
}

/** Goes through every sequence number up to the last one that is in the vector, since the counter is not ours to set. */
function messages(vector: Vector, { sealing, opening, strangers }: Sides): Case[] {
  const wanted = new Map(vector.encryptions.map((each) => [each.seq, each]));
  const cases: Case[] = [];
  for (let sequence = 0; sequence <= Math.max(...wanted.keys()); sequence += 1) {
    const each = wanted.get(sequence);
    const [plaintext, associated] = [bytes(each?.pt ?? "00"), bytes(each?.aad ?? "")];
    const sealed = sealing.seal(plaintext, associated);
    if (!each) {
      opening.open(sealed, associated);
      continue;
    }
    const faults = [
      ...(hex(sealed) === each.ct ? [] : [`sealed ${hex(sealed)}, not ${each.ct}`]),
      ...strangers.filter((stranger) => opens(stranger, sealed, associated)).map(() => "opens with another key"),
      ...(opens(opening, flipped(sealed), associated) ? ["opens though a bit of it is flipped"] : []),
      ...(opens(opening, sealed, flipped(associated)) ? ["opens with other associated data"] : []),
      ...(hex(opening.open(bytes(each.ct), associated)) === each.pt ? [] : ["opened to something else"]),
    ];
    cases.push({ name: `message ${sequence}`, failure: faults.length > 0 ? faults.join("; ") : undefined });
  }
  return cases;
}

function opens(context: HpkeContext, sealed: Uint8Array, associated: Uint8Array): boolean {
  try {
    context.open(sealed, associated);
    return true;
  } catch {
    return false;
  }
}

function flipped(data: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(data);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
}
