import type { NetworkInterfaceInfo } from "node:os";
import { describe, expect, test } from "vitest";
import { chooseInterfaces, isOnLink } from "./mdns-interfaces.ts";

function ip4(address: string, internal = false): NetworkInterfaceInfo {
  const netmask = internal ? "255.0.0.0" : "255.255.255.0";
  return { address, netmask, family: "IPv4", mac: "", internal, cidr: null };
}

const machine = {
  lo: [ip4("127.0.0.1", true)],
  eth0: [ip4("192.168.1.20"), ip4("192.168.1.21")],
  wlan0: [ip4("10.0.0.3")],
  docker0: [ip4("172.17.0.1")],
  "br-a1b2": [ip4("172.18.0.1")],
  tailscale0: [ip4("100.64.0.1")],
};

const chosenOf = (wanted?: readonly string[]) =>
  chooseInterfaces(machine, wanted).chosen.map((one) => `${one.interface} ${one.address}`);

describe("interfaces for multicast", () => {
  test("without a wish: every real interface once, with a reason for each that is skipped", () => {
    expect(chosenOf()).toEqual(["eth0 192.168.1.20", "wlan0 10.0.0.3"]);
    expect(chooseInterfaces(machine, undefined).skipped.map((one) => `${one.interface}: ${one.reason}`)).toEqual([
      "lo: loopback",
      "docker0: virtual",
      "br-a1b2: virtual",
      "tailscale0: virtual",
    ]);
  });

  test("a named interface is used, also loopback and virtual ones", () => {
    expect(chosenOf(["lo"])).toEqual(["lo 127.0.0.1"]);
    expect(chosenOf(["docker0"])).toEqual(["docker0 172.17.0.1"]);
  });

  test("an interface may be named by one of its addresses", () => {
    expect(chosenOf(["192.168.1.21"])).toEqual(["eth0 192.168.1.21"]);
  });

  test("a name that does not exist is reported", () => {
    expect(chooseInterfaces(machine, ["eth9"]).skipped).toContainEqual({
      interface: "eth9",
      address: "",
      reason: "there is no such interface",
    });
  });

  test("a sender belongs to an interface when it is on its network", () => {
    const eth0 = { interface: "eth0", address: "192.168.1.20", netmask: "255.255.255.0" };
    expect(isOnLink(eth0, "192.168.1.77")).toBe(true);
    expect(isOnLink(eth0, "192.168.2.77")).toBe(false);
    expect(isOnLink(eth0, "127.0.0.1")).toBe(false);
  });
});
