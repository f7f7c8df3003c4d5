import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import { type Did, didFromPublicKey, type KeyPair, verifySignature } from "../identity/index.ts";

/**
 * The certificate of libp2p's TLS handshake (libp2p specs, tls/tls.md): self-signed with a key that lives as long as
 * the process, and in one extension the node's own key with its signature over that key. `@libp2p/tls` makes one per
 * connection with libraries that take 100 ms to load; the specification allows one for all, so we write it with
 * node:crypto and twenty lines of DER. Only Ed25519 node keys are accepted, because only they have a did here.
 */
const SIGNED_KEY_OID = Uint8Array.from([0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xa2, 0x5a, 0x01, 0x01]);
const ECDSA_SHA256_OID = Uint8Array.from([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
const COMMON_NAME_OID = Uint8Array.from([0x55, 0x04, 0x03]);
const HANDSHAKE_PREFIX = Buffer.from("libp2p-tls-handshake:");
/** Protobuf of an Ed25519 public key: field 1 = type 1, field 2 = 32 bytes (libp2p specs, peer-ids/peer-ids.md). */
const ED25519_PROTOBUF_PREFIX = Uint8Array.from([0x08, 0x01, 0x12, 0x20]);
const CERTIFICATE_BYTES_MAX = 8192;

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
  context3: 0xa3,
} as const;

export interface HandshakeIdentity {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS#8. */
  readonly key: string;
}

/** A certificate that proves `keyPair` in a TLS handshake. Valid for ever: the key dies with the process. */
export function issueCertificate(keyPair: KeyPair): HandshakeIdentity {
  const pair = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const signedKey = der(
    TAG.sequence,
    der(TAG.octetString, Buffer.concat([ED25519_PROTOBUF_PREFIX, keyPair.publicKey])),
    der(TAG.octetString, keyPair.sign(Buffer.concat([HANDSHAKE_PREFIX, pair.publicKey]))),
  );
  const critical = der(TAG.boolean, Uint8Array.from([0xff]));
  const extension = der(TAG.sequence, der(TAG.oid, SIGNED_KEY_OID), critical, der(TAG.octetString, signedKey));
  const algorithm = der(TAG.sequence, der(TAG.oid, ECDSA_SHA256_OID));
  const commonName = der(TAG.sequence, der(TAG.oid, COMMON_NAME_OID), der(TAG.utf8, Buffer.from("libp2p")));
  const name = der(TAG.sequence, der(TAG.set, commonName));
  const time = (text: string): Uint8Array => der(TAG.generalizedTime, Buffer.from(text));
  const body = der(
    TAG.sequence,
    der(TAG.context0, der(TAG.integer, Uint8Array.from([2]))),
    der(TAG.integer, Uint8Array.from([0x01, ...randomBytes(15)])),
    algorithm,
    name,
    // Fixed, so that a node whose clock is wrong can still connect.
    der(TAG.sequence, time("20000101000000Z"), time("99991231235959Z")),
    name,
    pair.publicKey,
    der(TAG.context3, der(TAG.sequence, extension)),
  );
  const signature = sign("sha256", body, createPrivateKey(pair.privateKey));
  const bitString = der(TAG.bitString, Uint8Array.from([0]), signature);
  const pem = Buffer.from(der(TAG.sequence, body, algorithm, bitString)).toString("base64");
  const lines = pem.match(/.{1,64}/g) ?? [];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: pair.privateKey,
  };
}

/**
 * The node key that a peer's certificate proves. @param raw DER
 * @throws Error with a sentence when the certificate proves nothing
 */
export function readCertificate(raw: Uint8Array, nowMs: number): Did {
  if (raw.length > CERTIFICATE_BYTES_MAX) throw new Error("the certificate is too large");
  const certificate = new X509Certificate(raw);
  if (!certificate.verify(certificate.publicKey)) throw new Error("the certificate is not self-signed");
  const isCurrent = Date.parse(certificate.validFrom) <= nowMs && nowMs <= Date.parse(certificate.validTo);
  if (!isCurrent) throw new Error("the certificate is not valid now");
  const [key, signature] = children(signedKeyOf(raw));
  if (key?.tag !== TAG.octetString || signature?.tag !== TAG.octetString)
    throw new Error("the signed key is malformed");
  const prefix = ED25519_PROTOBUF_PREFIX;
  if (key.value.length !== prefix.length + 32 || prefix.some((byte, index) => key.value[index] !== byte)) {
    throw new Error("the node's key is not Ed25519");
  }
  const did = didFromPublicKey(key.value.subarray(prefix.length));
  const spki = certificate.publicKey.export({ type: "spki", format: "der" });
  if (!verifySignature(did, Buffer.concat([HANDSHAKE_PREFIX, spki]), signature.value)) {
    throw new Error("the node's key did not sign the certificate's key");
  }
  return did;
}

/** The content of the signed-key extension. */
function signedKeyOf(raw: Uint8Array): Uint8Array {
  const certificate = children(raw)[0];
  const body = certificate && children(certificate.value)[0];
  const wrapped = body && children(body.value).find((field) => field.tag === TAG.context3);
  const list = wrapped && children(wrapped.value)[0];
  let found: Uint8Array | undefined;
  for (const extension of list ? children(list.value) : []) {
    const fields = children(extension.value);
    const isSignedKey = fields[0]?.tag === TAG.oid && Buffer.from(SIGNED_KEY_OID).equals(fields[0].value);
    const isCritical = fields[1]?.tag === TAG.boolean && fields[1].value[0] !== 0;
    const content = fields.at(-1);
    if (isSignedKey && content?.tag === TAG.octetString) found = children(content.value)[0]?.value;
    else if (isCritical) throw new Error("the certificate has a critical extension that is not known");
  }
  if (!found) throw new Error("the certificate names no node key");
  return found;
}

interface DerValue {
  readonly tag: number;
  readonly value: Uint8Array;
}

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from([tag, ...size]), content]);
}

/** @throws Error when the bytes are not a list of DER values of at most 64 KiB */
function children(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at] ?? 0;
    const first = bytes[at + 1] ?? 0;
    const sizeBytes = first < 0x80 ? 0 : first - 0x80;
    if (sizeBytes > 2) throw new Error("a length in the certificate is not readable");
    let length = sizeBytes === 0 ? first : 0;
    for (let index = 0; index < sizeBytes; index++) length = (length << 8) | (bytes[at + 2 + index] ?? 0);
    const start = at + 2 + sizeBytes;
    if (start + length > bytes.length) throw new Error("the certificate is truncated");
    values.push({ tag, value: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return values;
}
