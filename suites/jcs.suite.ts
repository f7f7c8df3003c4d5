import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson } from "../packages/easynet/src/identity/index.ts";
import { type Case, runSuite } from "./suite.ts";

// JSON canonicalisation (RFC 8785) by the function that signs cards: 6 documents byte for byte, and 7 numbers.
await runSuite({
  name: "jcs",
  folder: "jcs",
  caseCount: 13,
  run: async (folder) => [...(await documents(folder)), ...(await numbers(folder))],
});

async function documents(folder: string): Promise<Case[]> {
  const names = (await readdir(join(folder, "input"))).filter((name) => name.endsWith(".json"));
  return await Promise.all(
    names.map(async (name) => {
      const input: unknown = JSON.parse(await readFile(join(folder, "input", name), "utf8"));
      return compare(name, canonicalJson(input), await readFile(join(folder, "output", name)));
    }),
  );
}

/** Lines `hex,text`: the bits of a double (leading zeros left out) and how it is written. */
async function numbers(folder: string): Promise<Case[]> {
  const lines = (await readFile(join(folder, "numbers.txt"), "utf8")).split("\n").filter((line) => line.includes(","));
  return lines.map((line) => {
    const [bits = "", text = ""] = line.trim().split(",");
    const value = Buffer.from(bits.padStart(16, "0"), "hex").readDoubleBE();
    return compare(bits, canonicalJson(value), Buffer.from(text));
  });
}

function compare(name: string, actual: string, expected: Buffer): Case {
  const same = Buffer.from(actual).equals(expected);
  return { name, failure: same ? undefined : `${actual} instead of ${expected.toString()}` };
}
