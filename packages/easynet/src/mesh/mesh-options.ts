import type { Did } from "../identity/index.ts";
import type { Clock, Logger, Metrics, Random } from "../kernel/index.ts";
import type { Fabric } from "./fabric.ts";
import type { MeshConfig } from "./mesh-config.ts";
import type { Way } from "./types.ts";

export interface MeshOptions {
  /** Not started; `Mesh.start` starts it. */
  readonly fabric: Fabric;
  readonly network: Did;
  /** For people, 1..64 characters. */
  readonly name: string;
  /** UCAN delegation that makes this node a member; a function, where it is renewed while the node runs. */
  readonly membership: Uint8Array | (() => Uint8Array);
  /**
   * Rejects with MEMBERSHIP_INVALID unless the bytes make `remote` a member of the network now. A link does not
   * outlive `expiresAtMs`, Unix epoch ms.
   */
  readonly verifyMember: (membership: Uint8Array, remote: Did) => Promise<{ readonly expiresAtMs: number }>;
  /** Answers who is no member and asks to become one; without it nobody may ask. */
  readonly answerStranger?: (stranger: Stranger) => Promise<Uint8Array>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Further addresses of a learnt peer, tried when none of its own led to a link; none are asked for a `direct` way. */
  readonly detours?: (did: Did, way: Way) => readonly string[];
  readonly config?: Partial<MeshConfig>;
}

/** Somebody who proved a key and asks to be let in. */
export interface Stranger {
  readonly did: Did;
  readonly address: string;
  /** What it said; opaque to the mesh. */
  readonly request: Uint8Array;
}
