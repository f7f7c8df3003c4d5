/** The Merkle tree of RFC 9162 section 2.1 (Certificate Transparency) over SHA-256: root, and proofs that a leaf is in it. */
import { hash } from "node:crypto";

const HASH_BYTES = 32;
const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;
const node = new Uint8Array(1 + 2 * HASH_BYTES);

/** SHA-256 of 0x00 and the data. */
export function leafHash(data: Uint8Array): Uint8Array {
  const prefixed = Buffer.allocUnsafe(1 + data.length);
  prefixed[0] = LEAF_PREFIX;
  prefixed.set(data, 1);
  return hash("sha256", prefixed, "buffer");
}

/** The root over leaf hashes, in order; that of no leaves is the hash of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  // Roots of whole subtrees, the largest first; two of one size become one, as carrying in a binary counter.
  const whole: Uint8Array[] = [];
  for (const [index, leaf] of leaves.entries()) {
    whole.push(leaf);
    for (let rest = index + 1; rest % 2 === 0; rest /= 2) joinLast(whole);
  }
  while (whole.length > 1) joinLast(whole);
  return whole[0] ?? hash("sha256", new Uint8Array(), "buffer");
}

/** The hashes beside the way from leaf `index` to the root, the lowest first. @param index 0 to below `leaves.length` */
export function inclusionPath(leaves: readonly Uint8Array[], index: number): readonly Uint8Array[] {
  if (leaves.length <= 1) return [];
  // The largest power of two below the number of leaves.
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...inclusionPath(left, index), merkleRoot(right)]
    : [...inclusionPath(right, index - split), merkleRoot(left)];
}

export interface Inclusion {
  /** Leaves of the tree. */
  readonly count: number;
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** True when the path leads from the leaf hash to the root (section 2.1.3.2). Never throws. */
export function verifyInclusion({ count, index, leaf, path, root }: Inclusion): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(count) || index < 0 || index >= count) return false;
  if ([leaf, root, ...path].some((each) => each.length !== HASH_BYTES)) return false;
  let [at, last, reached] = [index, count - 1, leaf];
  for (const beside of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      reached = nodeHash(beside, reached);
      // Where the right edge has no partner, nothing was hashed on these levels.
      for (; at % 2 === 0 && at !== 0; at /= 2) last = Math.floor(last / 2);
    } else reached = nodeHash(reached, beside);
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && Buffer.compare(reached, root) === 0;
}

function joinLast(roots: Uint8Array[]): void {
  const right = roots.pop();
  const left = roots.pop();
  if (left && right) roots.push(nodeHash(left, right));
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  node[0] = NODE_PREFIX;
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return hash("sha256", node, "buffer");
}
