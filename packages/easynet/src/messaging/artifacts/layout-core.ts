import { EasynetError } from "../../kernel/index.ts";
import { type Cid, CID_BYTES, cidFromBytes, cidToBytes, hashOf } from "./cid.ts";

/**
 * How an artifact is cut: chunks of 256 KiB as raw blocks, above them a balanced tree of dag-pb nodes with UnixFS sizes,
 * 174 links each. It is what `ipfs add --cid-version=1 --chunker=size-262144 --max-file-links=174` makes, so that the
 * same bytes have the same address there (ipld.io/specs/codecs/dag-pb, specs.ipfs.tech/unixfs). The size of an artifact
 * determines everything but the hashes; a node of another form is refused.
 */
export const CHUNK_BYTES = 256 * 1024;
export const LINKS_MAX = 174;
/** A tree of this height holds 1.3 TiB. */
const HEIGHT_MAX = 3;

/** One block of an artifact: `height` 0 is a chunk; `bytes` of content below it. */
export interface BlockRef {
  readonly hash: string;
  readonly height: number;
  readonly bytes: number;
}

/** Bytes of content that a full block of this height covers. */
function spanOf(height: number): number {
  return CHUNK_BYTES * LINKS_MAX ** height;
}

function heightOf(bytes: number): number {
  let height = 0;
  while (spanOf(height) < bytes) height++;
  return height;
}

/** Content bytes of each child of a node. */
function childSizes({ bytes, height }: Omit<BlockRef, "hash">): readonly number[] {
  const span = spanOf(height - 1);
  const count = Math.ceil(bytes / span);
  return Array.from({ length: count }, (_, index) => Math.min(span, bytes - index * span));
}

function varint(value: number): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

/** Bytes of a node and all blocks below it, as dag-pb tells them with a link. */
function treeBytes(bytes: number, height: number): number {
  if (height === 0) return bytes;
  const sizes = childSizes({ bytes, height });
  // Hashes have one length: any will do.
  const own = encodeNode(
    { bytes, height },
    sizes.map(() => "00".repeat(32)),
  );
  const first = sizes.length > 1 ? treeBytes(sizes[0] ?? 0, height - 1) * (sizes.length - 1) : 0;
  return own.length + first + treeBytes(sizes.at(-1) ?? 0, height - 1);
}

/** A dag-pb node: links before data, each field once, as its canonical form has it. */
export function encodeNode(node: Omit<BlockRef, "hash">, hashes: readonly string[]): Uint8Array {
  const { bytes, height } = node;
  const sizes = childSizes(node);
  const codec = height === 1 ? "raw" : "dag-pb";
  const [full, last] = [treeBytes(sizes[0] ?? 0, height - 1), treeBytes(sizes.at(-1) ?? 0, height - 1)];
  const parts: Uint8Array[] = [];
  for (const [index, hash] of hashes.entries()) {
    const size = varint(index === hashes.length - 1 ? last : full);
    const length = 2 + CID_BYTES + 2 + 1 + size.length;
    parts.push(Uint8Array.from([0x12, length, 0x0a, CID_BYTES]), cidToBytes({ codec, hash }));
    parts.push(Uint8Array.from([0x12, 0x00, 0x18, ...size]));
  }
  const file = [0x08, 0x02, 0x18, ...varint(bytes), ...sizes.flatMap((size) => [0x20, ...varint(size)])];
  return Buffer.concat([...parts, Uint8Array.from([0x0a, ...varint(file.length), ...file])]);
}

/** The children of a node. @throws {EasynetError} ARTIFACT_INVALID unless it is exactly what its size demands */
export function decodeNode(block: Uint8Array, node: Omit<BlockRef, "hash">): readonly BlockRef[] {
  const sizes = childSizes(node);
  const children: BlockRef[] = [];
  let offset = 0;
  for (const bytes of sizes) {
    const cid = cidFromBytes(block.subarray(offset + 4, offset + 4 + CID_BYTES));
    if (!cid) throw invalid("a node has other links than its size demands");
    children.push({ hash: cid.hash, height: node.height - 1, bytes });
    offset += 2 + (block[offset + 1] ?? 0);
  }
  const same = encodeNode(
    node,
    children.map(({ hash }) => hash),
  );
  if (Buffer.compare(same, block) !== 0) throw invalid("a node is not in the form that its size demands");
  return children;
}

/** What the root block says of the artifact. @throws {EasynetError} ARTIFACT_INVALID */
export function describeRoot(cid: Cid, block: Uint8Array): BlockRef {
  if (cid.codec === "raw") {
    if (block.length > CHUNK_BYTES) throw invalid(`a chunk is larger than ${CHUNK_BYTES} bytes`);
    return { hash: cid.hash, height: 0, bytes: block.length };
  }
  let offset = 0;
  while (block[offset] === 0x12) offset += 2 + (block[offset + 1] ?? 0);
  const bytes = block[offset] === 0x0a ? sizeIn(block, offset + 1) : 0;
  const height = bytes > CHUNK_BYTES && bytes <= spanOf(HEIGHT_MAX) ? heightOf(bytes) : 0;
  if (height === 0) throw invalid("its root is no file of chunks");
  const root = { hash: cid.hash, height, bytes };
  decodeNode(block, root);
  return root;
}

/** After the length of the data: type 2 (file), then its size. 0 when it is something else. */
function sizeIn(block: Uint8Array, start: number): number {
  let offset = start;
  while ((block[offset] ?? 0) >= 128) offset++;
  if (block[offset + 1] !== 0x08 || block[offset + 2] !== 0x02 || block[offset + 3] !== 0x18) return 0;
  let size = 0;
  for (let shift = 0; shift < 7; shift++) {
    const byte = block[offset + 4 + shift] ?? 0;
    size += (byte & 127) * 128 ** shift;
    if (byte < 128) return size;
  }
  return 0;
}

/** The nodes above chunks, the root last; none for a single chunk. @param leaves hashes of the chunks, in order */
export function buildTree(
  leaves: readonly string[],
  bytes: number,
): { readonly root: Cid; readonly nodes: Uint8Array[] } {
  const nodes: Uint8Array[] = [];
  let hashes = leaves;
  for (let height = 1; hashes.length > 1; height++) {
    const above: string[] = [];
    for (let first = 0; first < hashes.length; first += LINKS_MAX) {
      const covered = Math.min(spanOf(height), bytes - (first / LINKS_MAX) * spanOf(height));
      const node = encodeNode({ bytes: covered, height }, hashes.slice(first, first + LINKS_MAX));
      nodes.push(node);
      above.push(hashOf(node));
    }
    hashes = above;
  }
  return { root: { codec: nodes.length > 0 ? "dag-pb" : "raw", hash: hashes[0] ?? "" }, nodes };
}

function invalid(reason: string): EasynetError {
  return new EasynetError("ARTIFACT_INVALID", { reason });
}
