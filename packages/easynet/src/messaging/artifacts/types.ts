import type { Did } from "../../identity/index.ts";

export interface ArtifactReport {
  /** Content address: base32 CID version 1. */
  readonly cid: string;
  readonly bytes: number;
  /** Stays when the store is full. */
  readonly pinned: boolean;
  /** Nodes of IPFS get it too, where the node speaks with them; absent = only members. */
  readonly public?: true;
  /** False while not all of it is here; what is there is not fetched again. */
  readonly complete: boolean;
  readonly usedAtMs: number;
  /** Removed then: it came with a message, and nobody else kept it. */
  readonly expiresAtMs?: number | undefined;
}

/** How long an artifact is wanted. */
export interface KeepOptions {
  /**
   * Unix epoch ms. Until then it stays when the store is full; then it goes, unless somebody keeps it without such an end.
   * @default kept until there is no room
   */
  readonly expiresAtMs?: number | undefined;
}

export interface PutOptions extends KeepOptions {
  readonly pin?: boolean;
  /** Anybody may get it, not only members; it stays so until it is removed. @default false */
  readonly public?: boolean;
  readonly signal?: AbortSignal;
}

export interface FetchProgress {
  /** Bytes of content here; what an earlier fetch brought counts. */
  readonly bytes: number;
  /** Undefined until the first block told it. */
  readonly bytesTotal: number | undefined;
}

export interface FetchOptions extends KeepOptions {
  /** Members to ask besides those linked. */
  readonly from?: readonly Did[];
  /** More of it is refused with ARTIFACT_TOO_LARGE as soon as its size is known. @default the limit of an artifact */
  readonly bytesMax?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FetchProgress) => void;
}

export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface ArtifactUsage {
  readonly usedBytes: number;
  readonly quotaBytes: number;
}

/** Bulk data by content address, on this node and fetched from members that have it. */
export interface Artifacts {
  /**
   * Keeps the bytes; the same bytes have the same address. On disk when it resolves.
   * @throws {EasynetError} ARTIFACT_TOO_LARGE, ARTIFACTS_FULL, STORAGE_FULL; nothing is kept then
   */
  put(source: ByteSource, options?: PutOptions): Promise<ArtifactReport>;
  /** Undefined unless something of it is here. @throws {EasynetError} ARTIFACT_ID_INVALID */
  get(cid: string): ArtifactReport | undefined;
  list(): readonly ArtifactReport[];
  /** What all of them take on disk, and may take. */
  usage(): ArtifactUsage;
  /**
   * Its bytes in order, each chunk verified, from this node only; it is not removed while it is read.
   * @throws {EasynetError} ARTIFACT_ID_INVALID, ARTIFACT_NOT_FOUND, ARTIFACT_DAMAGED
   */
  open(cid: string): AsyncGenerator<Uint8Array, void, void>;
  /**
   * Makes it complete here: at once when it is, else from members that have it, else from the nodes of IPFS
   * in the settings, going on where an earlier fetch ended.
   * @throws {EasynetError} ARTIFACT_ID_INVALID, ARTIFACT_NOT_FOUND (no member in reach has it), ARTIFACT_UNREACHABLE (who
   * had it is gone; what arrived is kept), ARTIFACT_INVALID and ARTIFACT_FORGED (nothing is kept), ARTIFACT_TOO_LARGE,
   * ARTIFACTS_FULL, STORAGE_FULL, OVERLOADED, CANCELLED
   */
  fetch(cid: string, options?: FetchOptions): Promise<ArtifactReport>;
  /** @throws {EasynetError} ARTIFACT_ID_INVALID, ARTIFACT_NOT_FOUND */
  pin(cid: string, pinned: boolean): Promise<void>;
  /** Chunks that other artifacts share stay. @throws {EasynetError} ARTIFACT_ID_INVALID, ARTIFACT_NOT_FOUND, ARTIFACT_BUSY */
  remove(cid: string): Promise<void>;
  /** Ends fetches and what is being sent; the files stay. */
  close(): void;
}
