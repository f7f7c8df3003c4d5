"""The client's half of a WebSocket (RFC 6455) that carries one JSON text per message. Standard library only."""
import base64, json, os, socket, threading, urllib.parse

class JsonWebSocket:
    def __init__(self, url):
        host = urllib.parse.urlsplit(url).netloc
        self.socket, self.lock = socket.create_connection(host.rsplit(":", 1)), threading.Lock()
        self.socket.sendall(f"GET /api/ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: easynet.json\r\n"
                            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        if b"101" not in self.file.readline(): raise SystemExit("the node refused the connection")
        while self.file.readline().strip(): pass  # the other headers of the answer

    def send(self, opcode=1, data=None, **message):
        data = json.dumps(message).encode() if data is None else data
        size, mask = len(data), os.urandom(4)
        short = size if size < 126 else 126 if size < 65536 else 127
        head = bytes([0x80 | opcode, 0x80 | short]) + (size.to_bytes(2 if short == 126 else 8, "big") if short > 125 else b"")
        key = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
        with self.lock: self.socket.sendall(head + mask + masked)

    def messages(self):
        while head := self.file.read(2):
            size = head[1] & 127
            if size > 125: size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
            opcode, data = head[0] & 15, self.file.read(size)
            if opcode == 1: yield json.loads(data)
            elif opcode == 9: self.send(opcode=10, data=data)  # ping: pong
            elif opcode == 8: return
