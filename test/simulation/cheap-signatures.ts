import type { Did, KeyPair } from "../../packages/easynet/src/identity/index.ts";
import type { DirectoryOptions } from "../../packages/easynet/src/state/index.ts";

/** In place of real signatures, which take nine tenths of a simulation's time. */
export function cheapKeyPair(did: Did): Pick<KeyPair, "did" | "sign"> {
  return { did, sign: (bytes) => new Uint8Array([checksum(did, bytes)]) };
}

/** What takes those of {@link cheapKeyPair} for good. */
export const cheapChecks: NonNullable<DirectoryOptions["checks"]> = {
  verifySignature: (did, bytes, signature) => checksum(did, bytes) === signature[0],
  cardClaim: () => undefined,
};

function checksum(did: Did, bytes: Uint8Array): number {
  let sum = did.charCodeAt(20);
  for (const byte of bytes) sum = (sum * 31 + byte) & 0xff;
  return sum;
}
