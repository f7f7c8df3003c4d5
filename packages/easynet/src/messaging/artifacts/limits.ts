const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

export interface ArtifactLimits {
  /** Bytes of all blocks on disk; above, artifacts that are not pinned go, least recently used first; then ARTIFACTS_FULL. @default 8 GiB */
  readonly storeBytesMax: number;
  /** One artifact; above: ARTIFACT_TOO_LARGE. @default 4 GiB */
  readonly artifactBytesMax: number;
  /** Artifacts that are kept, unfinished ones included; at the limit as with bytes. @default 10,000 */
  readonly countMax: number;
  /** Artifacts fetched at once; one more: OVERLOADED. @default 16 */
  readonly transfersMax: number;
  /** Blocks asked of one provider and not yet arrived: the bytes in flight, 256 KiB each. @default 4 */
  readonly windowCount: number;
  /** Blocks that one peer may wait for here; more are answered with `artifact-missing`. @default 256 */
  readonly wantedPerPeerMax: number;
  /** A provider that sends nothing that was asked of it for this long is given up. @default 30,000 */
  readonly idleMs: number;
  /** How long a fetch waits for a provider to come back; then ARTIFACT_UNREACHABLE. @default 15,000 */
  readonly patienceMs: number;
}

export const defaultArtifactLimits: ArtifactLimits = {
  storeBytesMax: 8 * GIB,
  artifactBytesMax: 4 * GIB,
  countMax: 10_000,
  transfersMax: 16,
  windowCount: 4,
  wantedPerPeerMax: 256,
  idleMs: 30_000,
  patienceMs: 15_000,
};
