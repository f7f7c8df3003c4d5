import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { didFromPublicKey, verifySignature } from "../packages/easynet/src/identity/index.ts";
import { runSuite } from "./suite.ts";

interface WycheproofFile {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly {
      readonly tcId: number;
      readonly comment: string;
      readonly msg: string;
      readonly sig: string;
      readonly result: "valid" | "invalid";
    }[];
  }[];
}

// Project Wycheproof's Ed25519 cases by the function that checks every card, membership and directory entry.
await runSuite({
  name: "ed25519",
  folder: "wycheproof",
  caseCount: 151,
  async run(folder) {
    const file: WycheproofFile = JSON.parse(await readFile(join(folder, "ed25519_test.json"), "utf8"));
    return file.testGroups.flatMap(({ publicKey, tests }) => {
      const did = didFromPublicKey(Buffer.from(publicKey.pk, "hex"));
      return tests.map(({ tcId, comment, msg, sig, result }) => {
        const valid = verifySignature(did, Buffer.from(msg, "hex"), Buffer.from(sig, "hex"));
        return {
          name: `${tcId} (${comment})`,
          failure: valid === (result === "valid") ? undefined : `should be ${result}`,
        };
      });
    });
  },
});
