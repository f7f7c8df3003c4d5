import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Client } from "../../packages/easynet/src/index.ts";
import { TestNetwork, until } from "../support/network.ts";
import { cli } from "./cli-process.ts";

test("what one machine puts another one gets: command and SDK, with a terminal and without", async () => {
  await using network = new TestNetwork();
  const [amber, cobalt] = [await network.start("amber"), await network.start("cobalt")];
  await until("linked", () => cobalt.node.peers().length === 1);
  const content = randomBytes(2_000_000);
  const [file, copy] = [join(network.folder, "in.bin"), join(network.folder, "out.bin")];
  writeFileSync(file, content);

  const put = await cli(["artifact", "put", file, "--pin"], { home: amber.node.home });
  expect(put).toMatchObject({ code: 0, stderr: "" });
  const cid = put.stdout.trim();
  expect(cid).toMatch(/^bafybei[a-z2-7]{52}$/);
  expect((await cli(["artifact", "list", "--json"], { home: amber.node.home })).json).toMatchObject({
    artifacts: [{ cid, bytes: content.length, pinned: true, complete: true }],
  });
  const listed = await cli(["artifact", "list"], { home: amber.node.home });
  expect(listed.stdout).toMatch(/2\.0 MB +complete, pinned/);
  expect(listed.stderr).toContain("2.0 MB of 8.6 GB used");
  for (const [word, pinned] of [["unpin", false] as const, ["pin", true] as const]) {
    expect(await cli(["artifact", word, cid], { home: amber.node.home })).toMatchObject({ code: 0, stdout: "" });
    expect(amber.node.artifacts.list()).toMatchObject([{ cid, pinned }]);
  }

  const home = cobalt.node.home;
  expect((await cli(["artifact", "list", "--lang", "zh"], { home })).stderr).toContain("没有数据");
  const got = await cli(["artifact", "get", cid, "-o", copy], { home, isTTY: true });
  expect(got).toMatchObject({ code: 0, stdout: "" });
  expect(got.stderr).toContain("2.0 MB");
  expect(readFileSync(copy).equals(content)).toBe(true);
  expect((await cli(["artifact", "get", cid], { home })).bytes.equals(content)).toBe(true);
  expect(await cli(["artifact", "remove", cid], { home })).toMatchObject({ code: 0 });

  await using client = new Client({ home });
  const parts: Uint8Array[] = [];
  for await (const part of client.artifacts.get(cid)) parts.push(part);
  expect(Buffer.concat(parts).equals(content)).toBe(true);
  const own = await client.artifacts.put(Buffer.from("small"));
  expect(new Set((await client.artifacts.list()).map((artifact) => artifact.cid))).toEqual(new Set([cid, own.cid]));
  await client.artifacts.remove(own.cid);
  await expect(client.artifacts.remove(own.cid)).rejects.toMatchObject({ code: "ARTIFACT_NOT_FOUND" });
});

test("what cannot be is said, and leaves no file", async () => {
  await using network = new TestNetwork();
  const { home } = (await network.start("amber")).node;
  const copy = join(network.folder, "out.bin");
  const nowhere = "bafkreiemzsnsdw4rkkmqgrbtgcu5z7z4uqi4pmlblprnimkvujjqxcwa74";
  expect(await cli(["artifact", "get", nowhere, "-o", copy], { home })).toMatchObject({ code: 3 });
  expect(await cli(["artifact", "get", "photo.jpg"], { home })).toMatchObject({ code: 2 });
  expect(await cli(["artifact", "put", join(network.folder, "none")], { home })).toMatchObject({ code: 2 });
  expect((await cli(["artifact", "pin", nowhere, "--json"], { home })).json).toMatchObject({
    code: "ARTIFACT_NOT_FOUND",
  });
  expect((await cli(["artifact", "remove", nowhere, "--json"], { home })).json).toMatchObject({
    code: "ARTIFACT_NOT_FOUND",
  });
  expect(existsSync(copy)).toBe(false);
});

test("the quota of the settings holds: what is pinned stays, the rest makes room, and then more is refused", async () => {
  await using network = new TestNetwork();
  const { node } = await network.start("amber", { artifactQuota: "1MiB" });
  const [first, second] = [
    await node.artifacts.put([randomBytes(400_000)]),
    await node.artifacts.put([randomBytes(400_000)]),
  ];
  await node.artifacts.pin(first.cid, true);
  const third = await node.artifacts.put([randomBytes(400_000)]);
  expect(new Set(node.artifacts.list().map(({ cid }) => cid))).toEqual(new Set([first.cid, third.cid]));
  expect(node.artifacts.get(second.cid)).toBeUndefined();
  expect(node.artifacts.usage().quotaBytes).toBe(2 ** 20);
  expect(node.artifacts.usage().usedBytes).toBeGreaterThan(800_000);
  await node.artifacts.pin(third.cid, true);
  await expect(node.artifacts.put([randomBytes(400_000)])).rejects.toMatchObject({ code: "ARTIFACTS_FULL" });
  for (const artifactQuota of ["much", "12", "-1GiB"]) {
    await expect(network.start("birch", { artifactQuota })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  }
});

test("what is put with --public is shown as such, and nothing else is", async () => {
  await using network = new TestNetwork();
  const { node } = await network.start("amber", { ipfs: "on" });
  const file = join(network.folder, "in.bin");
  for (const [content, ...flags] of [["one"], ["two", "--public"]] as const) {
    writeFileSync(file, content);
    expect(await cli(["artifact", "put", file, ...flags], { home: node.home })).toMatchObject({ code: 0, stderr: "" });
  }
  expect(node.artifacts.list().map((each) => each.public)).toEqual([undefined, true]);
  const listed = await cli(["artifact", "list"], { home: node.home });
  expect(listed.stdout.match(/complete, public/g)).toHaveLength(1);
});
