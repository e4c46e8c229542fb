// The Huffman code of HPACK: RFC 7541, appendix B. It is canonical (of two codes of one length the smaller belongs to the
// smaller byte), so that the lengths say it all.

/** Bits of the code of each byte. The end-of-string symbol, which comes last, has 30 ones. */
// biome-ignore format: as the table of the RFC, sixteen bytes a line
const codeLengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const endOfString = 256;
const endOfStringBits = 30;
const bitsPerStep = 4;
const branches = 1 << bitsPerStep;
const notFinal = 0xffff;
const noSymbol = 0x1ff;

/** For each node of the code's tree, or `-1` for a symbol: [left, right]. */
type Tree = { readonly children: [number, number][]; readonly symbols: Map<number, number> };

/**
 * A machine that eats four bits at a time: at `state * 16 + nibble` the next state, and the symbol that was completed, if
 * one was (the shortest code has five bits, so that there is at most one).
 */
const { next, emitted, isAccepting } = compile(plant());

/** `undefined`: the bytes are no such code, or their padding is not what section 5.2 asks for. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  let state = 0;
  let text = "";
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    for (let shift = bitsPerStep; shift >= 0; shift -= bitsPerStep) {
      const index = state * branches + ((byte >> shift) & (branches - 1));
      state = next[index] ?? notFinal;
      if (state === notFinal) return undefined;
      const symbol = emitted[index] ?? noSymbol;
      if (symbol !== noSymbol) text += String.fromCharCode(symbol);
    }
  }
  return isAccepting[state] === 1 ? text : undefined;
}

function plant(): Tree {
  const lengths = [...codeLengths, endOfStringBits];
  const byCode = lengths.map((_, symbol) => symbol).sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);
  const tree: Tree = { children: [[-1, -1]], symbols: new Map() };
  let code = -1;
  let bits = lengthOf(byCode[0] ?? 0);
  for (const symbol of byCode) {
    code = (code + 1) * 2 ** (lengthOf(symbol) - bits);
    bits = lengthOf(symbol);
    addTo(tree, code, bits, symbol);
  }
  return tree;

  function lengthOf(symbol: number): number {
    return lengths[symbol] ?? 0;
  }
}

function addTo(tree: Tree, code: number, bits: number, symbol: number): void {
  let node = 0;
  for (let bit = bits - 1; bit >= 0; bit--) {
    const pair = tree.children[node] ?? [-1, -1];
    const side = (code >> bit) & 1;
    if (pair[side] === -1) pair[side] = tree.children.push([-1, -1]) - 1;
    node = pair[side] ?? -1;
  }
  tree.symbols.set(node, symbol);
}

function compile(tree: Tree) {
  // Only nodes that wait for more bits are states; the root is the first.
  const nodes = tree.children.map((_, node) => node).filter((node) => !tree.symbols.has(node));
  const stateOf = new Map(nodes.map((node, state) => [node, state]));
  const size = nodes.length * branches;
  const machine = {
    next: new Uint16Array(size).fill(notFinal),
    emitted: new Uint16Array(size).fill(noSymbol),
    isAccepting: new Uint8Array(nodes.length),
  };
  for (const [node, state] of stateOf) {
    for (let nibble = 0; nibble < branches; nibble++) step(node, state, nibble);
  }
  // Padding: at most seven bits, all of them ones, which is the beginning of the end-of-string symbol.
  for (let node = 0, bits = 0; bits < 8; bits++) {
    machine.isAccepting[stateOf.get(node) ?? 0] = 1;
    node = tree.children[node]?.[1] ?? 0;
  }
  return machine;

  function step(from: number, state: number, nibble: number): void {
    let node = from;
    for (let bit = bitsPerStep - 1; bit >= 0; bit--) {
      node = tree.children[node]?.[((nibble >> bit) & 1) as 0 | 1] ?? -1;
      const symbol = tree.symbols.get(node);
      if (node === -1 || symbol === endOfString) return;
      if (symbol !== undefined) {
        machine.emitted[state * branches + nibble] = symbol;
        node = 0;
      }
    }
    machine.next[state * branches + nibble] = stateOf.get(node) ?? notFinal;
  }
}
