import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storeContract } from "../../packages/easynet/src/testing/contracts/store.ts";
import { MIGRATIONS, openForWriting } from "../../packages/easynet/src/storage/schema.ts";
import { openStore, openStoreWith } from "../../packages/easynet/src/storage/sqlite-store.ts";
import type { Store, Write } from "../../packages/easynet/src/storage/types.ts";

let folder = "";
let files = 0;
const newPath = (): string => join(folder, `${(files += 1)}.db`);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "easynet-store-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const put = (key: string, bytes: number): Write => ({
  kind: "put",
  space: "s",
  key,
  value: new Uint8Array(bytes).fill(1),
});

describe("the SQLite store", () => {
  test.for(storeContract)("$name", async ({ run }) => {
    let path = "";
    const open = async (): Promise<Store> => {
      path = newPath();
      return openStore({ path });
    };
    const reopen = async (store: Store): Promise<Store> => {
      await store.close();
      return openStore({ path });
    };
    await expect(run({ open, reopen })).resolves.toBeUndefined();
  });

  test.skipIf(process.platform === "win32")("after close one file is left, readable by its owner only", async () => {
    const path = newPath();
    const store = await openStore({ path });
    await store.commit([put("a", 10)]);
    await store.close();
    const name = path.slice(folder.length + 1);
    expect(readdirSync(folder).filter((file) => file.startsWith(name))).toEqual([name]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("commits that arrive while one is at the disk share the next transaction", async () => {
    const counts = new Map<string, number>();
    const metrics = {
      count: (name: string, _labels?: unknown, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
      gauge: () => undefined,
    };
    const store = await openStore({ path: newPath(), metrics });
    const first = store.commit([put("first", 1)]);
    await Promise.resolve();
    await Promise.all([first, ...Array.from({ length: 500 }, async (_, index) => store.commit([put(`${index}`, 1)]))]);
    await store.close();
    expect(counts.get("easynet_store_commits_total")).toBe(501);
    expect(counts.get("easynet_store_groups_total")).toBe(2);
  });
});

describe("a full store", () => {
  test("refuses what does not fit, keeps the neighbours of the same group, and goes on", async () => {
    const store = await openStoreWith({ path: newPath() }, { pageCountMax: 64 });
    await store.commit([put("before", 100)]);
    const results = await Promise.allSettled([
      store.commit([put("small-1", 100)]),
      store.commit([put("large-part", 100), put("large", 1024 * 1024)]),
      store.commit([put("small-2", 100)]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(results[1]).toMatchObject({ reason: { code: "STORAGE_FULL", retryable: true } });
    expect(store.list("s").map(({ key }) => key)).toEqual(["before", "small-1", "small-2"]);
    for (let index = 0; index < 3; index += 1) {
      await expect(store.commit([put("large", 1024 * 1024)])).rejects.toMatchObject({ code: "STORAGE_FULL" });
    }
    await store.commit([put("after", 100)]);
    expect(store.get("s", "after")).toHaveLength(100);
    await store.close();
  });
});

describe("opening", () => {
  async function makeStore(): Promise<string> {
    const path = newPath();
    const store = await openStore({ path });
    await store.commit(Array.from({ length: 2000 }, (_, index) => put(`key-${index}`, 100)));
    await store.close();
    return path;
  }

  test("refuses a file of a later version and leaves it as it was", async () => {
    const path = await makeStore();
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    database.close();
    const before = readFileSync(path);
    await expect(openStore({ path })).rejects.toMatchObject({
      code: "STORAGE_TOO_NEW",
      details: { found: MIGRATIONS.length + 1, known: MIGRATIONS.length },
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("refuses what is no database and leaves it as it was", async () => {
    const path = newPath();
    writeFileSync(path, "these are somebody's notes, not a database\n".repeat(200));
    const before = readFileSync(path);
    await expect(openStore({ path })).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      message: expect.stringContaining("is damaged"),
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("refuses the database of another program", async () => {
    const path = newPath();
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE theirs(x)");
    database.close();
    await expect(openStore({ path })).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      message: expect.stringContaining("belongs to another program"),
    });
  });

  test("a folder that is not there is a typed error", async () => {
    await expect(openStore({ path: join(folder, "missing", "a.db") })).rejects.toMatchObject({
      code: "STORAGE_FAILED",
    });
  });

  test("inspects the file after an unclean end, finds damage, and leaves the file as it was", async () => {
    const path = await makeStore();
    const bytes = readFileSync(path);
    // A page of the tree that is no page any more; the header stays good, so only an inspection can find it.
    bytes.fill(0xff, 4096 * 5, 4096 * 6);
    writeFileSync(path, bytes);
    writeFileSync(`${path}-wal`, "left by a process that died");
    await expect(openStore({ path })).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      message: expect.stringContaining("is damaged"),
    });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  test("brings an older file up to the newest schema, once, and keeps its data", async () => {
    const path = await makeStore();
    const migrations = [...MIGRATIONS, "CREATE TABLE later(x)", "INSERT INTO later VALUES (42)"];
    for (let round = 0; round < 2; round += 1) {
      const { database } = openForWriting(path, { migrations });
      expect(database.prepare("SELECT x FROM later").all()).toEqual([{ x: 42 }]);
      expect(database.prepare("SELECT count(*) AS n FROM entries").get()).toEqual({ n: 2000 });
      expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: migrations.length });
      database.close();
    }
  });

  test("a migration that fails changes nothing", async () => {
    const path = await makeStore();
    const migrations = [...MIGRATIONS, "CREATE TABLE later(x)", "no sql"];
    expect(() => openForWriting(path, { migrations })).toThrow(/syntax error/);
    const store = await openStore({ path });
    expect(store.list("s", { limit: 5 })).toHaveLength(5);
    await store.close();
  });

  test("writes with full synchronisation into a write-ahead log", async () => {
    const { database } = openForWriting(newPath());
    expect(database.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
    expect(database.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    database.close();
  });
});
