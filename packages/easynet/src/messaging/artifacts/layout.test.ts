import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEasynetError } from "../../kernel/index.ts";
import { cutChunks } from "./chunks.ts";
import { formatCid, hashOf, parseCid } from "./cid.ts";
import { FetchPlan } from "./fetch-core.ts";
import { buildTree, CHUNK_BYTES } from "./layout-core.ts";

function pattern(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let index = 0; index < bytes; index++) content[index] = index * 7 + (index >>> 8) * 13 + (index >>> 16) * 31;
  return content;
}

async function blocksOf(content: Uint8Array) {
  const blocks = new Map<string, Uint8Array>();
  const leaves: string[] = [];
  for await (const chunk of cutChunks([content])) {
    blocks.set(hashOf(chunk), chunk);
    leaves.push(hashOf(chunk));
  }
  const { root, nodes } = buildTree(leaves, content.length);
  for (const node of nodes) blocks.set(hashOf(node), node);
  return { root, blocks };
}

// Made with ipfs-unixfs-importer 16: CID v1, raw leaves, chunks of 262144 bytes, balanced, 174 links.
test.each([
  [0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"],
  [11, "bafkreiemzsnsdw4rkkmqgrbtgcu5z7z4uqi4pmlblprnimkvujjqxcwa74"],
  [262_144, "bafkreigfzujldfc3kac4khdwhsdftadvbpqf7r4rcz45tsy5v5mmuxsjce"],
  [262_145, "bafybeig6znqiybwijw5celqbrnzrcmtx7vjz35f6q7fas2xpgbuduy4vim"],
  [1_000_000, "bafybeihgjgb7gwxz6avidu77oxi2qha6ahyxpy2rtksdklt47phfvybhzm"],
  [174 * 262_144, "bafybeigqxmeweruxc5h6sycnyeliy4dpwovxeixj65tcpg4ibzauryjidi"],
  [175 * 262_144, "bafybeifff2p6p5m664n73irgruh5bccbxr5letpot4jmiygjvs5fpd3amq"],
])("%i bytes have the address that IPFS gives them", async (bytes, cid) => {
  const { root } = await blocksOf(pattern(bytes));
  expect(formatCid(root)).toBe(cid);
  expect(parseCid(cid)).toEqual(root);
});

test("chunks are the same however the bytes come", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 400_000 }), { maxLength: 6 }), async (cuts) => {
      const parts = cuts.map((length, index) => Buffer.alloc(length, index + 1));
      const chunks: Uint8Array[] = [];
      for await (const chunk of cutChunks(parts)) chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(Buffer.concat(parts))).toBe(true);
      expect(chunks.slice(0, -1).every(({ length }) => length === CHUNK_BYTES)).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test("an address has one spelling", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", "b", "z", "2", "3", "7", "A", "1", "="), minLength: 50, maxLength: 62 }),
      (text) => {
        expect(spellingOf(`bafkrei${text}`)).toBeOneOf([`bafkrei${text}`, "ARTIFACT_ID_INVALID"]);
      },
    ),
  );
});

/** How an address is written that was read from this text, or the code of why it is none. */
function spellingOf(text: string): unknown {
  try {
    return formatCid(parseCid(text));
  } catch (error) {
    return isEasynetError(error) ? error.code : error;
  }
}

function outcomeOf(plan: FetchPlan, block: Uint8Array): unknown {
  try {
    plan.take(hashOf(block), block);
    return plan.bytesTotal;
  } catch (error) {
    return isEasynetError(error) ? error.code : error;
  }
}

describe("what is still needed", () => {
  test("any order of arrival ends with everything", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 3_000_000 }), fc.infiniteStream(fc.nat()), async (bytes, chance) => {
        const { root, blocks } = await blocksOf(pattern(bytes));
        const plan = new FetchPlan(root, 10_000_000);
        const waiting: string[] = [];
        while (!plan.done) {
          for (let hash = plan.next(); hash !== undefined; hash = plan.next()) waiting.push(hash);
          const [hash = ""] = waiting.splice((chance.next().value ?? 0) % waiting.length, 1);
          if ((chance.next().value ?? 0) % 5 === 0) plan.giveBack(hash);
          else plan.take(hash, blocks.get(hash) ?? new Uint8Array(0));
        }
        expect(plan.bytes).toBe(bytes);
      }),
      { numRuns: 15 },
    );
  });

  test("a node with any byte changed is refused", async () => {
    const { root, blocks } = await blocksOf(pattern(700_000));
    const node = blocks.get(root.hash) ?? new Uint8Array(0);
    fc.assert(
      fc.property(fc.nat(node.length - 1), fc.integer({ min: 1, max: 255 }), (place, change) => {
        const changed = Uint8Array.from(node);
        changed[place] = (changed[place] ?? 0) ^ change;
        const plan = new FetchPlan({ codec: "dag-pb", hash: hashOf(changed) }, 10_000_000);
        plan.next();
        // Where only the hash of a chunk differs it is a node: of other content, and of as much.
        expect(outcomeOf(plan, changed)).toBeOneOf(["ARTIFACT_INVALID", "ARTIFACT_TOO_LARGE", 700_000]);
      }),
    );
  });

  test("more than the limit is refused with the first block", async () => {
    const { root, blocks } = await blocksOf(pattern(700_000));
    const plan = new FetchPlan(root, 699_999);
    expect(() => plan.take(root.hash, blocks.get(root.hash) ?? new Uint8Array(0))).toThrow(/699999/);
  });
});
