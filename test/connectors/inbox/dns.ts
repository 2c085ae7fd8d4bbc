// A DNS server on loopback that knows TXT records, counts what it is asked, and can fall silent.
import { createSocket } from "node:dgram";
import { promises as dns } from "node:dns";
import { once } from "node:events";

export interface TestDns {
  /** Name to text. */
  records: Map<string, string>;
  /** Names asked for, oldest first. */
  asked: string[];
  resolver: dns.Resolver;
  close(): Promise<void>;
}

export async function openDns(): Promise<TestDns> {
  const records = new Map<string, string>();
  const asked: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    const { name, end } = readQuestion(query);
    asked.push(name);
    socket.send(answerTo(query.subarray(0, end), records.get(name)), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const resolver = new dns.Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return {
    records,
    asked,
    resolver,
    async close() {
      resolver.cancel();
      socket.close();
      await once(socket, "close");
    },
  };
}

function readQuestion(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("ascii", at + 1, at + 1 + length));
    at += 1 + length;
  }
  // The end of the name, type and class.
  return { name: labels.join(".").toLowerCase(), end: at + 5 };
}

/** RFC 1035: the question again, and one TXT record in strings of 255 bytes at most; without a text NXDOMAIN. */
function answerTo(question: Buffer, text: string | undefined): Buffer {
  const head = Buffer.from(question);
  head.writeUInt16BE(text === undefined ? 0x8183 : 0x8180, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(text === undefined ? 0 : 1, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(0, 10);
  if (text === undefined) return head;
  const strings = (text.match(/.{1,255}/gs) ?? []).flatMap((part) => [
    Buffer.from([part.length]),
    Buffer.from(part),
  ]);
  const data = Buffer.concat(strings);
  const record = Buffer.alloc(12);
  record.writeUInt16BE(0xc00c, 0);
  record.writeUInt16BE(16, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(60, 6);
  record.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, record, data]);
}
