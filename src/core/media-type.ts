/** The essence of a media type (RFC 9110 §8.3.1), lower case and without parameters; null when there is none in it. */
export function essenceOf(contentType: string | null | undefined): string | null {
  const essence = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  return essence && /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(essence) ? (aliases.get(essence) ?? essence) : null
}

/** Other names that clients send, for the name that the detector and the policies use. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['binary/octet-stream', 'application/octet-stream'],
  ['image/jpg', 'image/jpeg'],
  ['image/pjpeg', 'image/jpeg'],
  ['image/x-png', 'image/png'],
  ['image/x-ms-bmp', 'image/bmp'],
  ['image/x-bmp', 'image/bmp'],
  ['image/vnd.microsoft.icon', 'image/x-icon'],
  ['image/svg', 'image/svg+xml'],
  ['audio/mp3', 'audio/mpeg'],
  ['audio/x-mp3', 'audio/mpeg'],
  ['audio/wave', 'audio/wav'],
  ['audio/x-wav', 'audio/wav'],
  ['audio/vnd.wave', 'audio/wav'],
  ['audio/x-flac', 'audio/flac'],
  ['audio/x-aiff', 'audio/aiff'],
  ['audio/x-aac', 'audio/aac'],
  ['video/x-msvideo', 'video/vnd.avi'],
  ['video/avi', 'video/vnd.avi'],
  ['video/x-matroska', 'video/matroska'],
  ['text/xml', 'application/xml'],
  ['text/rtf', 'application/rtf'],
  ['application/x-pdf', 'application/pdf'],
  ['application/x-zip-compressed', 'application/zip'],
  ['application/x-zip', 'application/zip'],
  ['application/x-gzip', 'application/gzip'],
  ['application/vnd.rar', 'application/x-rar-compressed'],
  ['application/x-rar', 'application/x-rar-compressed'],
  ['application/font-woff', 'font/woff'],
  ['application/vnd.sqlite3', 'application/x-sqlite3'],
])

/**
 * Families of types that share their first bytes: what a client may rightly call one thing while the detector sees
 * another. Where the detector sees only the `container`, the client's more exact name holds; else the bytes' own.
 */
const families: readonly { container?: string; members: RegExp }[] = [
  {
    container: 'application/zip',
    members:
      /^application\/(zip|java-archive|x-xpinstall|epub\+zip|vnd\.(openxmlformats-officedocument|oasis\.opendocument|android\.package-archive|google-earth\.kmz|ms-(word|excel|powerpoint)\.).*)$|^model\/3mf$|\+zip$/,
  },
  { container: 'application/xml', members: /^application\/(xml|x-plist)$|\+xml$|^text\/(html|xsl)$/ },
  {
    container: 'application/gzip',
    members: /^application\/(gzip|x-tar|x-gtar|x-tgz|x-compressed(-tar)?)$|^image\/svg\+xml$|\+gzip$/,
  },
  {
    container: 'application/x-cfb',
    members: /^application\/(x-cfb|x-msi|msword|vnd\.visio|vnd\.ms-(excel|powerpoint|outlook|project|office))$/,
  },
  { container: 'video/mp4', members: /^(video|audio)\/(mp4|x-m4[abpv])$/ },
  { members: /^(video|audio)\/(mp4|x-m4[abpv]|quicktime|3gpp2?)$|^image\/(heic|heif|avif)(-sequence)?$/ },
  { container: 'video/webm', members: /^(video|audio)\/webm$/ },
  { members: /^(video|audio)\/(webm|matroska|x-matroska)$/ },
  { members: /^(video|audio|application)\/ogg$|^audio\/(opus|vorbis|x-speex)$/ },
  { members: /^image\/(tiff|dng|x-(canon-cr[23]|nikon-nef|sony-arw|adobe-dng|panasonic-rw2|olympus-orf))$/ },
  { members: /^image\/a?png$/ },
  { members: /^application\/(pdf|illustrator|postscript|eps)$/ },
  { members: /^(audio|video)\/(mpeg|mp2t|MP[12][SP])$/ },
  { members: /^(audio|video|application)\/(x-ms-asf|vnd\.ms-asf|x-ms-wm[av])$/ },
]

const textTypes =
  /^text\/|^application\/(json|xml|javascript|ecmascript|x-javascript|ld\+json|x-ndjson|jsonl|yaml|x-yaml|toml|sql|graphql|x-sh|x-httpd-php|x-plist|typescript|rtf|postscript)$|\+(json|xml|yaml)$/

/** Types that a browser would run. */
const activeTypes =
  /^text\/(html|xsl|(x-)?(javascript|ecmascript|jscript|livescript))$|^application\/((x-)?(javascript|ecmascript)|xml)$|\+xml$/

export type TypeVerdict = { ok: true; type: string } | { ok: false; detected: string }

/**
 * Decides what a file is. The bytes decide: `detected` is what its first bytes show (null when they show nothing), and
 * `isText` whether they are UTF-8 text so far. `declared` is the client's claim, refused when the bytes contradict it;
 * no type and `application/octet-stream` claim nothing. `isRecognisable` tells whether the detector knows a type, so
 * that a declared `image/png` without PNG's first bytes is a contradiction, and a type that nobody can check is not.
 */
export function judgeType(file: {
  declared: string | null
  detected: string | null
  isText: boolean
  isRecognisable: (type: string) => boolean
}): TypeVerdict {
  const { declared, detected, isText } = file
  if (declared === null || declared === 'application/octet-stream') {
    return { ok: true, type: detected ?? (isText ? 'text/plain' : 'application/octet-stream') }
  }
  if (detected !== null) {
    if (declared === detected) return { ok: true, type: detected }
    for (const family of families) {
      if (family.members.test(declared) && family.members.test(detected)) {
        return { ok: true, type: family.container === detected ? declared : detected }
      }
    }
    // XML, calendars, subtitles … are text as well: a client may call them plain text, which makes them no more than that.
    if (isText && textTypes.test(detected) && textTypes.test(declared) && !activeTypes.test(declared)) {
      return { ok: true, type: declared }
    }
    return { ok: false, detected }
  }
  if (textTypes.test(declared))
    return isText ? { ok: true, type: declared } : { ok: false, detected: 'application/octet-stream' }
  if (file.isRecognisable(declared)) return { ok: false, detected: isText ? 'text/plain' : 'application/octet-stream' }
  return { ok: true, type: declared }
}

/** Types that a browser shows without running anything; every other is served as a download. */
const inlineTypes =
  /^image\/(png|jpeg|gif|webp|avif|bmp|x-icon)$|^(audio|video)\/(mp4|mpeg|webm|ogg|wav|flac|aac|quicktime)$|^text\/plain$/

/** Whether content of this type may be shown in the page that asks for it, instead of being saved. */
export function isSafeInline(type: string): boolean {
  return inlineTypes.test(type)
}
