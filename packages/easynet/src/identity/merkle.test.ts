import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inclusionPath, leafHash, merkleRoot, verifyInclusion } from "./merkle.ts";

const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

/** Leaves and roots of the test tree of Certificate Transparency (google/certificate-transparency, merkle_tree_test). */
const LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: readonly (readonly [number, string])[] = [
  [0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  [1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"],
  [2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
  [3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"],
  [4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"],
  [5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"],
  [6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"],
  [7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"],
  [8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"],
];
const leaves = LEAVES.map((leaf) => leafHash(Buffer.from(leaf, "hex")));
const tree = fc.integer({ min: 1, max: 70 }).map((count) => {
  return Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)));
});

describe("a Merkle tree", () => {
  test.for(ROOTS)("of the first %i leaves has the root that Certificate Transparency gives it", ([count, root]) => {
    expect(hex(merkleRoot(leaves.slice(0, count)))).toBe(root);
  });

  test("shows each of its leaves, and at no other place and in no tree of another size", () => {
    fc.assert(
      fc.property(tree, fc.nat(), fc.nat(80), (all, seed, other) => {
        const [count, index] = [all.length, seed % all.length];
        const inclusion = { count, index, leaf: all[index] ?? new Uint8Array(), root: merkleRoot(all) };
        const path = inclusionPath(all, index);
        expect(verifyInclusion({ ...inclusion, path })).toBe(true);
        expect(verifyInclusion({ ...inclusion, path, index: other })).toBe(other === index);
        expect(verifyInclusion({ ...inclusion, path: [...path, inclusion.leaf] })).toBe(false);
        expect(verifyInclusion({ ...inclusion, path: path.slice(1) })).toBe(path.length === 0);
        expect(verifyInclusion({ ...inclusion, path, leaf: leafHash(inclusion.leaf) })).toBe(false);
      }),
    );
  });

  test("refuses numbers that are no place in it, and hashes of another length", () => {
    const [leaf] = leaves;
    if (!leaf) throw new Error("no leaf");
    const single = { count: 1, index: 0, leaf, path: [], root: leaf };
    expect(verifyInclusion(single)).toBe(true);
    for (const index of [-1, 0.5, 1, 2 ** 64, Number.NaN]) expect(verifyInclusion({ ...single, index })).toBe(false);
    expect(verifyInclusion({ ...single, count: 0 })).toBe(false);
    expect(verifyInclusion({ ...single, leaf: new Uint8Array(), root: new Uint8Array() })).toBe(false);
  });
});
