/** The essence of a media type (RFC 9110 §8.3.1), lower case and without parameters; null when there is none in it, or one with a half over 127 characters (RFC 6838 §4.2). */
export function essenceOf(contentType: string | null | undefined): string | null {
  const essence = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (!essence || !/^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}$/.test(essence)) return null
  return scriptTypes.test(essence) ? 'text/javascript' : (aliases.get(essence) ?? essence)
}

/** The names of JavaScript (WHATWG MIME Sniffing §4.6), all of them for one thing (RFC 9239 §6). */
const scriptTypes =
  /^text\/((x-)?(javascript|ecmascript)|javascript1\.[0-5]|jscript|livescript)$|^application\/(x-)?(javascript|ecmascript)$/

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
  ['audio/m4a', 'audio/x-m4a'],
  ['audio/mp4a-latm', 'audio/x-m4a'],
  ['application/mp4', 'video/mp4'],
  ['image/psd', 'image/vnd.adobe.photoshop'],
  ['image/x-photoshop', 'image/vnd.adobe.photoshop'],
  ['image/x-psd', 'image/vnd.adobe.photoshop'],
  ['application/x-photoshop', 'image/vnd.adobe.photoshop'],
  ['image/x-eps', 'application/eps'],
  ['application/ics', 'text/calendar'],
  ['application/x-java-archive', 'application/java-archive'],
  ['application/x-bzip', 'application/x-bzip2'],
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
      /^application\/(zip|java-archive|x-xpinstall|epub\+zip|x-cbz|x-iwork-.*|vnd\.(openxmlformats-officedocument|oasis\.opendocument|android\.package-archive|google-earth\.kmz|apple\.|ms-(word|excel|powerpoint|visio|xpsdocument)).*)$|^model\/3mf$|\+zip$/,
  },
  {
    container: 'application/xml',
    members: /^application\/(xml|x-plist)$|\+xml$|^text\/(html|xsl)$/,
  },
  {
    container: 'application/gzip',
    members: /^application\/(gzip|x-tar|x-gtar|x-tgz|x-compressed(-tar)?)$|\+gzip$/,
  },
  // Microsoft's compound file holds the old Office formats, and the new ones when they are encrypted.
  {
    container: 'application/x-cfb',
    members:
      /^application\/(x-cfb|x-msi|x-ole-storage|msword|vnd\.visio|vnd\.openxmlformats-officedocument\..*|vnd\.ms-(excel|powerpoint|outlook|project|office|word).*)$/,
  },
  { container: 'video/mp4', members: /^(video|audio)\/(mp4|x-m4[abpv])$/ },
  { container: 'video/3gpp', members: /^(video|audio)\/3gpp2?$/ },
  {
    members: /^(video|audio)\/(mp4|x-m4[abpv]|quicktime|3gpp2?)$|^image\/(heic|heif|avif)(-sequence)?$/,
  },
  { container: 'video/webm', members: /^(video|audio)\/webm$/ },
  { members: /^(video|audio)\/(webm|matroska|x-matroska)$/ },
  {
    members: /^(video|audio|application)\/ogg$|^audio\/(opus|vorbis|x-speex)$/,
  },
  {
    members: /^image\/(tiff|dng|x-(canon-cr[23]|nikon-nef|sony-arw|adobe-dng|panasonic-rw2|olympus-orf))$/,
  },
  { members: /^image\/a?png$/ },
  {
    members: /^application\/(pdf|illustrator|vnd\.adobe\.illustrator|postscript|eps)$/,
  },
  { members: /^(audio|video)\/(mpeg|mp2t|mp[12][sp])$/ },
  {
    members: /^(audio|video|application)\/(x-ms-asf|vnd\.ms-asf|x-ms-wm[av])$/,
  },
  { members: /^application\/(rtf|msword)$/ },
]

const textTypes =
  /^text\/|^application\/(json|xml|javascript|ecmascript|x-javascript|ld\+json|x-ndjson|jsonl|yaml|x-yaml|toml|sql|graphql|x-sh|x-httpd-php|x-plist|typescript|rtf|postscript|eps|pgp-encrypted|x-ms-regedit)$|\+(json|xml|yaml)$/

/** Whether files of this type are text, as far as the type says. */
export function isTextType(type: string): boolean {
  return textTypes.test(type)
}

/** Types that a browser would run. */
const activeTypes = new RegExp(`^text/(html|xsl)$|^application/xml$|\\+xml$|${scriptTypes.source}`)

/** Types that the detector knows in some of their forms only, so that not being detected proves nothing. */
const partlyRecognisable =
  /^(model\/stl|application\/(x-apple-diskimage|x-plist|x-msdownload)|audio\/(mpeg|aac)|video\/mp2t)$/

/**
 * `type` is what the file is. `isConfirmed` is false when nothing but the client's word speaks for it: then it matches
 * a policy's exact type, and no group such as `image/*`.
 */
export type TypeVerdict = { ok: true; type: string; isConfirmed: boolean } | { ok: false; detected: string }

/** What bytes are when nothing was detected: text in UTF-8, text in another encoding, or neither. */
export type TextKind = 'utf-8' | 'other' | null

/**
 * Decides what a file is. The bytes decide: `detected` is what its first bytes show (null when they show nothing), and
 * `text` what kind of text they are so far; an empty file counts as UTF-8. `declared` is the client's claim, refused
 * when the bytes contradict it; no type and `application/octet-stream` claim nothing. `isRecognisable` tells whether
 * the detector knows a type, so that a declared `image/png` without PNG's first bytes is a contradiction. `readableAs`
 * are the active types that the bytes may be read as.
 */
export function judgeType(file: {
  declared: string | null
  detected: string | null
  text: TextKind
  readableAs: readonly string[]
  isEmpty: boolean
  isRecognisable: (type: string) => boolean
}): TypeVerdict {
  const { text } = file
  const declared = claimOf(file.declared, text)
  const detected = trustedDetection(file.detected, text)
  const unnamed = text === 'utf-8' && !file.isEmpty ? 'text/plain' : 'application/octet-stream'
  if (declared === null) return confirmed(detected ?? unnamed)
  // Any text may be HTML, but SVG is known by its root; without that, `image/*` would let every text in under its name.
  if (declared === 'image/svg+xml' && !file.readableAs.includes(declared)) {
    return { ok: false, detected: detected ?? unnamed }
  }
  if (detected !== null) return judgeAgainst(detected, declared, text !== null, file.isRecognisable)
  if (textTypes.test(declared)) {
    // An active type must be what it says; other text is often older than UTF-8.
    const isThatText = text === 'utf-8' || (text === 'other' && !activeTypes.test(declared))
    if (isThatText) return confirmed(declared)
    return partlyRecognisable.test(declared) ? unconfirmed(declared) : { ok: false, detected: unnamed }
  }
  if (isDetectable(declared, file.isRecognisable)) return { ok: false, detected: unnamed }
  return unconfirmed(declared)
}

/** What a client really says by its type. */
function claimOf(declared: string | null, text: TextKind): string | null {
  switch (declared) {
    case 'application/octet-stream':
    // What curl and some libraries send with any body.
    case 'application/x-www-form-urlencoded':
      return null
    // What Windows with Excel calls a .csv.
    case 'application/vnd.ms-excel':
      return text === null ? declared : 'text/csv'
    // What browsers call TypeScript's .ts.
    case 'video/mp2t':
      return text === null ? declared : 'text/plain'
    default:
      return declared
  }
}

/**
 * Some formats begin with a few letters that a text may begin with as well ("BMI", "GIFT", "MZ"). All of those are
 * binary, so bytes that are text are not one of them.
 */
function trustedDetection(detected: string | null, text: TextKind): string | null {
  const isTextFormat = detected !== null && (textTypes.test(detected) || detected === 'application/pdf')
  return text === null || isTextFormat ? detected : null
}

function judgeAgainst(
  detected: string,
  declared: string,
  isText: boolean,
  isRecognisable: (type: string) => boolean,
): TypeVerdict {
  if (declared === detected) return confirmed(detected)
  for (const family of families) {
    if (family.members.test(declared) && family.members.test(detected)) {
      return confirmed(family.container === detected ? declared : detected)
    }
  }
  // XML, calendars, subtitles … are text as well: a client may call them plain text, which makes them no more than that.
  if (isText && textTypes.test(detected) && textTypes.test(declared) && !activeTypes.test(declared)) {
    return confirmed(declared)
  }
  // A name that nobody here knows contradicts nothing of its own group; the policy then judges what the bytes are.
  const group = declared.slice(0, declared.indexOf('/') + 1)
  const isForeignName = !isDetectable(declared, isRecognisable) && !textTypes.test(declared)
  if (isForeignName && (group === 'application/' || detected.startsWith(group))) return confirmed(detected)
  return { ok: false, detected }
}

/** Whether the bytes would show this type, by itself or by its container. */
function isDetectable(type: string, isRecognisable: (type: string) => boolean): boolean {
  if (partlyRecognisable.test(type)) return false
  return (
    isRecognisable(type) || families.some(({ container, members }) => container !== undefined && members.test(type))
  )
}

function confirmed(type: string): TypeVerdict {
  return { ok: true, type, isConfirmed: true }
}

function unconfirmed(type: string): TypeVerdict {
  return { ok: true, type, isConfirmed: false }
}

/**
 * Types that act on a page which names them as its script, module or style sheet, or whose bytes bring headers of their
 * own. Neither a sandbox nor an attachment hinders that: only another type does.
 */
const actsOnPages = new RegExp(`${scriptTypes.source}|^application/wasm$|^text/css$|^(multipart|message)/`)

/** The `Content-Type` under which content of this type goes out. */
export function servedType(type: string): string {
  return actsOnPages.test(type) ? 'application/octet-stream' : type
}

/** Types that a browser shows without running anything; every other is served as a download. */
const inlineTypes =
  /^image\/(png|jpeg|gif|webp|avif|bmp|x-icon)$|^(audio|video)\/(mp4|mpeg|webm|ogg|wav|flac|aac|quicktime)$|^text\/plain$/

/** Whether content of this type may be shown in the page that asks for it, instead of being saved. */
export function isSafeInline(type: string): boolean {
  return inlineTypes.test(type)
}
