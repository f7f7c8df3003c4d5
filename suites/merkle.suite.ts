import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { verifyInclusion } from "../packages/easynet/src/identity/index.ts";
import { runSuite } from "./suite.ts";

interface InclusionCase {
  readonly file: string;
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string;
  readonly leafHash: string;
  readonly proof: readonly string[] | null;
  readonly desc: string;
  readonly wantErr: boolean;
}

const bytes = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, "base64"));

// Inclusion proofs of RFC 9162 by the function that checks a message against a batch's signature. The data's consistency
// proofs are about logs that grow, which a batch does not.
await runSuite({
  name: "merkle",
  folder: "merkle",
  caseCount: 98,
  async run(folder) {
    const cases: readonly InclusionCase[] = JSON.parse(await readFile(join(folder, "inclusion.json"), "utf8"));
    return cases.map(({ file, leafIdx, treeSize, root, leafHash, proof, desc, wantErr }) => {
      const path = (proof ?? []).map(bytes);
      const valid = verifyInclusion({
        index: leafIdx,
        count: treeSize,
        root: bytes(root),
        leaf: bytes(leafHash),
        path,
      });
      return {
        name: `${file} (${desc})`,
        failure: valid === wantErr ? `should be ${wantErr ? "refused" : "valid"}` : undefined,
      };
    });
  },
});
