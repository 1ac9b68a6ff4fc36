// A notebook as the fragment of an address, and back. What stands behind "#" is sent to nobody.
//
// Kept are the sources of cells and nothing else: no outputs, no metadata but the tag that lets a
// cell fail. The form is version, then deflated JSON in base64url.

export const MOST_TEXT = 32_000;  // characters of the fragment: what mail and chat pass on whole
export const MOST_BYTES = 1_000_000;  // of the sources, however well they were packed
export const MOST_CELLS = 200;

const VERSION = "share=1.";
const KINDS = ["code", "markdown"];

export function isShared(hash) {
    return hash.startsWith("#share=");
}

// Gives the fragment of cells, each {kind, source, fails}. Throws a RangeError if they are too many.
export async function pack(cells) {
    if (cells.length > MOST_CELLS) {
        throw new RangeError(`a link holds ${MOST_CELLS} cells at most, and these are ${cells.length}`);
    }
    const rows = cells.map(({ kind, source, fails }) =>
        fails ? [KINDS.indexOf(kind), source, 1] : [KINDS.indexOf(kind), source]);
    const bytes = new TextEncoder().encode(JSON.stringify(rows));
    if (bytes.length > MOST_BYTES) {
        throw new RangeError(`a link holds ${MOST_BYTES} bytes at most, and these are ${bytes.length}`);
    }
    const packed = await drained(new Blob([bytes]).stream(), new CompressionStream("deflate-raw"));
    const text = VERSION + base64url(packed);
    if (text.length > MOST_TEXT) {
        throw new RangeError(`the link would have ${text.length} characters, and ${MOST_TEXT} are the most:`
            + " share the file instead");
    }
    return `#${text}`;
}

// Gives the cells of a fragment. It may be anybody's: what is not exactly of the form is refused.
export async function unpack(hash) {
    const text = hash.slice(1);
    if (!text.startsWith(VERSION)) {
        throw new TypeError("this link is of another version of the site");
    }
    if (text.length > MOST_TEXT) {
        throw new RangeError(`the link has ${text.length} characters, and ${MOST_TEXT} are the most`);
    }
    let rows;
    try {
        const packed = Uint8Array.from(atob(text.slice(VERSION.length).replaceAll("-", "+")
            .replaceAll("_", "/")), letter => letter.charCodeAt(0));
        const unpacking = new DecompressionStream("deflate-raw");
        const bytes = await drained(new Blob([packed]).stream(), unpacking, MOST_BYTES);
        rows = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch (error) {
        throw error instanceof RangeError ? error : new TypeError("the link is damaged: was it cut?");
    }
    // Compared, and not looked up: an array has more names than its numbers, such as "length".
    const isCell = row => Array.isArray(row) && KINDS.some((_, kind) => kind === row[0])
        && typeof row[1] === "string";
    if (!Array.isArray(rows) || rows.length > MOST_CELLS || !rows.every(isCell)) {
        throw new TypeError("the link holds no notebook");
    }
    return rows.map(([kind, source, fails]) => ({ kind: KINDS[kind], source, fails: fails === 1 }));
}

// A notebook's file of these cells.
export function notebook(cells) {
    return {
        nbformat: 4,
        nbformat_minor: 5,
        metadata: {
            kernelspec: { name: "python", display_name: "Python (Pyodide)", language: "python" },
        },
        cells: cells.map(({ kind, source, fails }, number) => ({
            id: `cell-${number}`,
            cell_type: kind,
            source,
            metadata: fails ? { tags: ["raises-exception"] } : {},
            ...(kind === "code" ? { outputs: [], execution_count: null } : {}),
        })),
    };
}

async function drained(stream, through, most = Infinity) {
    const reader = stream.pipeThrough(through).getReader();
    const parts = [];
    let size = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
        size += next.value.length;
        if (size > most) {
            await reader.cancel();
            throw new RangeError(`the link holds more than ${most} bytes`);
        }
        parts.push(next.value);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function base64url(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 0x8000) {
        text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    }
    return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
