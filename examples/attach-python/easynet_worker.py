"""Shares Python functions with the easynet node on this machine. Python 3 standard library only."""
import inspect, json, os, pathlib, threading
from json_websocket import JsonWebSocket

def word_count(text): return len(text.split())
def reverse(text): return text[::-1]
def count_down(start): yield from range(start, 0, -1)  # a generator: each value travels as it is yielded

FUNCTIONS = {"word-count": word_count, "reverse": reverse, "count-down": count_down}

class Work(threading.Thread):
    def __init__(self, node, invoke):
        super().__init__(daemon=True)
        self.node, self.invoke, self.cancelled, self.credit = node, invoke, False, threading.Semaphore(64)

    def run(self):
        number = self.invoke["invocation"]
        try:
            value = FUNCTIONS[self.invoke["capability"]](*self.invoke["args"], **self.invoke["kwargs"])
            if inspect.isgenerator(value):
                for item in value:
                    self.credit.acquire()
                    if self.cancelled: return
                    self.node.send(type="item", invocation=number, value=item)
                value = None
            self.node.send(type="result", invocation=number, value=value)
        except Exception as error:
            self.node.send(type="failure", invocation=number, error={"name": type(error).__name__, "message": str(error)})

home = pathlib.Path(os.environ.get("EASYNET_HOME") or pathlib.Path.home() / ".easynet")
node, running = JsonWebSocket(json.loads((home / "run.json").read_text())["apiUrl"]), {}
node.send(type="hello", protocol=1, token=(home / "token").read_text().strip(), client="python example")
node.send(type="register", request=1, agent="python-worker", functions=[
    {"name": name, "parameters": list(inspect.signature(function).parameters), "idempotent": True, "sideEffects": "none",
     "streaming": inspect.isgeneratorfunction(function)} for name, function in FUNCTIONS.items()])
for message in node.messages():
    kind, work = message["type"], running.get(message.get("invocation"))
    if kind == "registered": print("offering", ", ".join(FUNCTIONS), "as", message["agent"], flush=True)
    elif kind in ("refused", "error"): raise SystemExit(message["error"]["message"])
    elif kind == "invoke": running[message["invocation"]] = work = Work(node, message); work.start()
    elif kind == "cancel" and work: work.cancelled = True; work.credit.release()
    elif kind == "credit" and work:
        for _ in range(message["count"]): work.credit.release()
    running = {number: work for number, work in running.items() if work.is_alive()}
