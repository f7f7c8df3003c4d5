import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { configSchema, environmentName, homeFolder, loadConfig } from "./config.ts";

function homeWith(config?: string): string {
  const home = mkdtempSync(join(tmpdir(), "easynet-config-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  if (config !== undefined) writeFileSync(join(home, "config.json"), config);
  return home;
}

describe("settings of a node", () => {
  test("a flag wins over the environment, that over the file, that over the default, and each says where it is from", () => {
    const home = homeWith('{"listenPort": 1, "apiPort": 2, "logLevel": "warn", "name": "file"}');
    const env = { EASYNET_HOME: home, EASYNET_API_PORT: "3", EASYNET_NAME: "environment" };
    const { value, origin } = loadConfig({ env, flags: { name: "flag", interfaces: undefined } });
    expect(value).toMatchObject({ name: "flag", apiPort: 3, listenPort: 1, logLevel: "warn", mdns: true });
    expect(origin).toMatchObject({
      name: "flag",
      apiPort: "environment",
      listenPort: "file",
      interfaces: "default",
      home: "environment",
    });
  });

  test("text from the environment becomes lists, numbers and switches", () => {
    const env = {
      EASYNET_HOME: homeWith(),
      EASYNET_MDNS: "off",
      EASYNET_INTERFACES: "eth0, wlan0",
      EASYNET_LISTEN_PORT: "0",
    };
    expect(loadConfig({ env }).value).toMatchObject({ mdns: false, interfaces: ["eth0", "wlan0"], listenPort: 0 });
  });

  test("an empty variable is none", () => {
    expect(homeFolder({ env: { EASYNET_HOME: "" } })).toMatch(/\.easynet$/);
    expect(loadConfig({ env: { EASYNET_HOME: homeWith(), EASYNET_API_PORT: "" } }).origin.apiPort).toBe("default");
  });

  test.each([
    ["an unknown key, which is named", '{"listenPorts": 1}', "listenPorts"],
    ["a port out of range", '{"apiPort": 70000}', "apiPort"],
    ["a file that is no object", "[1]", "config.json"],
    ["a file that is no JSON", "{", "config.json"],
  ])("%s is refused", (_what, config, key) => {
    const error = (() => {
      try {
        return loadConfig({ env: { EASYNET_HOME: homeWith(config) } });
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error instanceof Error && error.message).toContain(key);
  });

  test("every setting has a variable of its own", () => {
    const names = Object.keys(configSchema.shape).map(environmentName);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("EASYNET_LISTEN_HOST");
  });
});
