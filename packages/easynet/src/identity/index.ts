export { decodeBase58, encodeBase58 } from "./base58.ts";
export { proveMessage, sealBatch, verifyBatch, verifyMessage } from "./batch-proof.ts";
export { canonicalJson } from "./canonical-json.ts";
export { deriveHpkeKeyPair } from "./hpke-kem.ts";
export { type HpkeContext, type HpkeSuite, setupHpkeReceiver, setupHpkeSender } from "./hpke.ts";
export { type Invite, type InviteProof, issueInvite, proveInvite, verifyInviteProof } from "./invite.ts";
export { encodeInviteCode, parseInviteCode } from "./invite-code.ts";
export {
  type DetachedJws,
  didKeyUrl,
  openDetached,
  signDetached,
  verifyDetached,
  type VerifyDetachedOptions,
} from "./jws.ts";
export {
  didFromPublicKey,
  didToPublicKey,
  generateKeyPair,
  isDid,
  keyPairFromSeed,
  parseDid,
  publicKeyObject,
  shortDid,
  type SignatureClaim,
  verifySignature,
} from "./keys.ts";
export {
  issueMembership,
  type IssueMembershipOptions,
  verifyMembership,
  type VerifyMembershipOptions,
} from "./membership.ts";
export { type Inclusion, verifyInclusion } from "./merkle.ts";
export { openSealed, SEAL_OVERHEAD_BYTES, sealTo } from "./sealed.ts";
export { type X25519KeyPair, x25519KeyPair } from "./x25519.ts";
export type { Did, KeyPair, Membership } from "./types.ts";
