/** Makes a device tree whose root node has these properties and no children. */
export function makeDeviceTree(properties: readonly (readonly [name: string, value: string])[]): Buffer {
  const words = (...values: number[]) => {
    const bytes = Buffer.alloc(values.length * 4);
    for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
    return bytes;
  };
  let names = "";
  const encoded = properties.map(([name, value]) => {
    const content = Buffer.alloc(Math.ceil(value.length / 4) * 4);
    content.write(value, "latin1");
    names += `${name}\0`;
    return Buffer.concat([words(3, value.length, names.length - name.length - 1), content]);
  });
  // Begin of the root node with its empty name, properties, end of node, end of tree.
  const structure = Buffer.concat([words(1, 0), ...encoded, words(2, 9)]);
  const start = 40 + 16;
  const end = start + structure.length;
  const header = words(0xd00dfeed, end + names.length, start, end, 40, 17, 16, 0, names.length, structure.length);
  return Buffer.concat([header, Buffer.alloc(16), structure, Buffer.from(names)]);
}
