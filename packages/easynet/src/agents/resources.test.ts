import { availableParallelism, tmpdir, totalmem } from "node:os";
import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { resourcesSchema } from "../model/index.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { createLoadMeter } from "./load-meter.ts";
import { measureResources, parseNvidia, parseRocm } from "./resources.ts";

describe("resources", () => {
  verifies("model:capability:resources");

  test("measures this machine in the model's units", async () => {
    const resources = await measureResources({ homePath: tmpdir() });
    expect(resourcesSchema.parse(resources)).toEqual(resources);
    expect(resources.cpuCores).toBe(availableParallelism());
    expect(resources.memoryMb).toBeGreaterThan(0);
    expect(resources.memoryMb).toBeLessThanOrEqual(Math.ceil(totalmem() / 2 ** 20));
    expect(resources.diskSpaceMb).toBeGreaterThanOrEqual(0);
    expect(resources.gpuRequired).toBeUndefined();
  });

  test("what cannot be measured is absent", async () => {
    expect(await measureResources({ homePath: "/no/such/folder" })).not.toHaveProperty("diskSpaceMb");
  });

  test.each([
    ["24576\n", 24_576],
    ["8192\n24576\n", 24_576],
    ["[N/A]\n", undefined],
    ["NVIDIA-SMI has failed because it could not communicate with the driver\n", undefined],
    ["", undefined],
  ])("reads the memory of NVIDIA cards from %j", (output, expected) => {
    expect(parseNvidia(output)).toBe(expected);
  });

  test.each([
    ["device,VRAM Total Memory (B),VRAM Total Used Memory (B)\ncard0,17163091968,10\ncard1,8589934592,1\n", 16_368],
    ["ERROR: no AMD GPUs\n", undefined],
  ])("reads the memory of AMD cards from %j", (output, expected) => {
    expect(parseRocm(output)).toBe(expected);
  });
});

describe("load meter", () => {
  test("shares between 0 and 1; a reading is kept for a while", () => {
    const clock = new VirtualClock();
    const meter = createLoadMeter({ clock });
    const first = meter.read();
    for (const share of Object.values(first)) {
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    }
    expect(first.memoryRatio).toBeGreaterThan(0);
    expect(meter.read()).toBe(first);
    clock.advance(500);
    expect(meter.read()).not.toBe(first);
  });
});
