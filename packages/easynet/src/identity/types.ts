declare const didBrand: unique symbol;

/** `did:key:z6Mk…`: the name of a node, agent, person or network; an Ed25519 public key in multibase base58btc. */
export type Did = string & { readonly [didBrand]: never };

/** An Ed25519 key pair. The private half leaves only through `exportSeed`. */
export interface KeyPair {
  readonly did: Did;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 (RFC 8032) over `bytes`; 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
  /** The 32-byte private seed, for storing. */
  exportSeed(): Uint8Array;
}

/** A verified right to be in a network. */
export interface Membership {
  readonly network: Did;
  readonly member: Did;
  /** When the first of its delegations ends, Unix epoch ms. */
  readonly expiresAtMs: number;
  /** Holds the right to make others members. */
  readonly mayInvite: boolean;
  /** Delegations from the network's root key to the member; 1 = the root key signed it. */
  readonly delegationsCount: number;
}
