export { decodeBase58, encodeBase58 } from "./base58.ts";
export {
  didFromPublicKey,
  didToPublicKey,
  generateKeyPair,
  isDid,
  keyPairFromSeed,
  parseDid,
  shortDid,
  verifySignature,
} from "./keys.ts";
export type { Did, KeyPair, Membership } from "./types.ts";
