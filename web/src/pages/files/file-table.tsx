import type { Upload } from '../../api.ts'
import { formatBytes } from '../../parts/sizes.ts'
import { StatusBadge } from '../../parts/status-badge.tsx'
import { Thumbnail } from '../../parts/thumbnail.tsx'
import { Time } from '../../parts/time.tsx'
import { hrefTo } from '../../router.ts'

export function FileTable({ uploads }: { uploads: readonly Upload[] }) {
  return (
    <table class="table cards file-table">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Type</th>
          <th scope="col" class="end">
            Size
          </th>
          <th scope="col">Status</th>
          <th scope="col" class="end">
            Came in
          </th>
        </tr>
      </thead>
      <tbody>
        {uploads.map((upload) => (
          <tr key={upload.id}>
            <td>
              <div class="file-name">
                <Thumbnail upload={upload} />
                <a href={hrefTo(['files', upload.domain, upload.id])}>{upload.filename}</a>
              </div>
            </td>
            <td data-label="Type" class="soft">
              {upload.type}
            </td>
            <td data-label="Size" class="end numeric">
              {formatBytes(upload.size)}
            </td>
            <td data-label="Status">
              <StatusBadge id={upload.id} status={upload.status} />
            </td>
            <td data-label="Came in" class="end numeric soft">
              <Time at={upload.createdAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
