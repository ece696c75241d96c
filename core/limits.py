"""Every bound of the product with its reason, and the relations between them.

Sizes are bytes, counts are numbers of things, durations carry their unit in the name.
"""

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

FORMAT_VERSION = 1

# Item content is cut at this size. Small enough that a few can be in flight in a small function,
# large enough that a request's price is nothing beside the bytes.
BLOB_SIZE_MAX = 8 * MIB

# Whole blobs are compressed together up to this size: solid frames are 13 % smaller than single
# small blobs, and one blob still costs one range read of about a megabyte.
FRAME_SIZE_TARGET = 4 * MIB
# Very small blobs: a frame's table must stay small beside a pack's.
FRAME_BLOBS_MAX = 16_384
# What a reader accepts: a frame is either within the target or one blob.
FRAME_SIZE_MAX = BLOB_SIZE_MAX
# A frame's compressed size can exceed its content only by zstd's own bound (content / 256 + 64 KiB
# is generous), so a larger claim is damage or an attack.
FRAME_STORED_SIZE_MAX = FRAME_SIZE_MAX + FRAME_SIZE_MAX // 256 + 64 * KIB

# Fewer, larger objects are cheaper in every archive class; 512 MiB is still one comfortable
# retrieval and one re-upload of a failed function.
PACK_SIZE_MAX = 512 * MIB
# Keeps a pack's table of contents (68 bytes a blob) below what readers accept.
PACK_BLOBS_MAX = 131_072
TABLE_OF_CONTENTS_SIZE_MAX = 16 * MIB
TABLE_OF_CONTENTS_ENTRY_SIZE = 68

# What one function invocation repacks: content bytes and blobs. A function moves 4 GiB well
# within 15 minutes; a million rows of a batch fit in its memory.
BATCH_SIZE_MAX = 4 * GIB
BATCH_BLOBS_MAX = 1_048_576
# A session grows its batches rather than pass this: the fan-out services list them.
SESSION_BATCHES_MAX = 10_000
# Small sessions still feed every core of a local pool; below this a batch makes too small packs,
# and its begin and end, when its worker is half idle, weigh too much. A GiB makes two of them.
BATCH_SIZE_MIN = 544 * MIB

# Blob rows that one plan range holds; keeps one anti-join inside a function's memory.
RANGE_BLOBS_TARGET = 1 * MIB
# Blobs that are put into packing order at once, whole batches of them unless one alone has more.
ORDERED_BLOBS_TARGET = 2 * MIB

# Index and layer objects: one comfortable GET, one Parquet file for DuckDB.
TABLE_OBJECT_SIZE_MAX = 256 * MIB
LAYERS_MAX = 32
# Tables that a session may need once more stay on disk up to this share of the room that was there
# when it began: a small session fetches nothing twice, and of a large one what a function has of
# temporary files is left to what it works with.
TABLES_KEPT_SHARE = 16

# The largest JSON object that is read whole: a record, a definition, a keyset.
JSON_SIZE_MAX = 64 * MIB

# The largest object that is read by one request: such a JSON object, stored.
WHOLE_OBJECT_SIZE_MAX = JSON_SIZE_MAX + MIB

# Multipart uploads: each part is a request that costs money, each buffered part is memory.
UPLOAD_PART_SIZE = 32 * MIB
UPLOAD_PARTS_IN_FLIGHT_MAX = 3
# What an upload holds: the parts under way and the one that is filled. Only a very large object of
# somebody else's needs larger parts, so as to have no more of them than its vendor takes. Of these
# fewer are under way; those that would not fit twice wait on disk, two of them at a time.
UPLOAD_MEMORY_SIZE = (UPLOAD_PARTS_IN_FLIGHT_MAX + 1) * UPLOAD_PART_SIZE
UPLOAD_PART_IN_MEMORY_MAX = UPLOAD_MEMORY_SIZE // 2
# The vendors' own bounds. S3: 48.8 TiB an object; memory is enough up to 625 GiB. Azure: 190.7 TiB,
# and memory is enough up to 3 TiB.
UPLOAD_PARTS_MAX_S3 = 10_000
UPLOAD_PART_SIZE_MAX_S3 = 5 * GIB
UPLOAD_PARTS_MAX_AZURE = 50_000
UPLOAD_PART_SIZE_MAX_AZURE = 4_000 * MIB

# Fetching over a network: threads of a process, and content bytes that may wait between fetching
# and packing. At 20 ms a request, 32 threads fetch 45 MB of small blobs a second; on the processor
# they cost no more than 16 do.
FETCH_THREADS = 32
# From a folder blobs come from memory or from one disk: more threads only take turns at the
# interpreter, which with 16 of them takes a quarter of the processor's time.
FETCH_THREADS_LOCAL = 2
FETCH_BYTES_IN_FLIGHT_MAX = 64 * MIB

# Parts and packs of a whole session that are looked at so many at once: each is three requests of
# nearly nothing, and a function has 15 minutes for all of them. 16 TiB have 33,000 packs.
PROOF_THREADS = 16

# Listing a bucket: pages that are asked for at once, into how many disjoint prefixes it is cut for
# that, in how many groups these are listed (a small bucket of many folders makes a piece of each),
# how deep and how wide prefixes are looked for, and how many objects one stored piece of the
# listing holds: a few megabytes, which a rerun does not list again.
LISTING_THREADS = 16
LISTING_SHARDS_WANTED = 64
LISTING_GROUPS = 32
LISTING_SHARDS_MAX = 4_096
LISTING_DEPTH_MAX = 8
LISTING_WALK_PAGES_MAX = 8
LISTING_CHUNK_OBJECTS = 100_000
# Objects of a bucket that change or vanish under a copy are looked at so often before they are
# left out; so many of them are looked at between two stored results.
ROUNDS_MAX = 3
ROUND_CHUNK_OBJECTS = 10_000

# Reading the files of a backup: threads, whose waiting is for syncs of what they store.
READ_THREADS = 16

# A backup reads a file that changes under it so often before it leaves it out, and lists what it
# left out up to so many bytes; past them it only counts.
READ_TRIES_MAX = 3
SKIPPED_SIZE_MAX = 16 * MIB

# Frames that a restore reads, checks and writes at once: with the copies that decoding makes, each
# takes up to three times FRAME_SIZE_MAX. Failed items are listed up to so many, then counted.
RESTORE_THREADS = 4
RESTORE_FAILED_LISTED_MAX = 100_000

# A restore takes so much memory at most. Interpreter, libraries and DuckDB's pages are 150 MiB.
RESTORE_PEAK_SIZE_MAX = 512 * MIB
RESTORE_BASE_SIZE = 150 * MIB
# Objects of several blobs are put back so many at a time: each may hold UPLOAD_MEMORY_SIZE of parts
# and what reading a frame takes. Smaller ones wait for the store most of their time.
RESTORE_LONG_OBJECTS = 2
RESTORE_OBJECT_THREADS = 16
# Without overwriting, what is in the way is looked for in so many pages of a destination's listing;
# in a larger one each object finds out for itself.
RESTORE_PAGES_MAX = 1_000
# So many objects that fail one after the other, whatever they are, mean the destination.
DESTINATION_FAILURES_MAX = 30

# A driver gives a batch up when this many calls have added no part, whoever wrote them.
BATCH_CALLS_WITHOUT_PROGRESS_MAX = 3

# What the functions of an appliance are called with and answer. Step Functions carries 256 KiB from
# state to state: this many reasons of this many characters stay far below. Counts are of calls,
# parts and attempts.
STEP_TEXT_LENGTH_MAX = 1000
STEP_REASONS_MAX = 20
STEP_COUNT_MAX = 1_000_000
# A call that failed because a store did, or because its function died, is made again: a wait is
# drawn from zero up to the first delay, three times it, nine times it, as far as the last. Four
# tries more, over minutes, come through what the function's own tries did not.
STEP_RETRY_RATE = 3
STEP_STORE_RETRIES_MAX = 4
STEP_STORE_DELAY_SECONDS = 5
STEP_STORE_DELAY_SECONDS_MAX = 300
# What dies by want of memory dies again.
STEP_DEATH_RETRIES_MAX = 3
STEP_DEATH_DELAY_SECONDS = 2
STEP_DEATH_DELAY_SECONDS_MAX = 60
# An instance of Durable Functions calls for so many batches: after every event its whole history is
# read, which for a thousand events takes a tenth of a second. A round's 40 groups are called at
# once: the 10,000 calls wait in a queue that keeps them for as long as it takes.
GROUP_BATCHES_MAX = 250
# What an instance leaves is kept in a row of a table up to 45 KB, where it is found at once.
INSTANCE_REASONS_LENGTH_MAX = 8_000
# What is left of a function's time when its deadline comes: to close the pack under way, up to
# 128 MiB that wait or are being sent (at 4 MB/s half a minute), and to write its part, when each
# request is tried a few times. Of a time that is short it is half.
FUNCTION_MARGIN_SECONDS = 90
# Lambda gives a whole processor for so many MB of memory; os.cpu_count shows others' as well.
LAMBDA_MEMORY_FOR_CORE_MB = 1769
# Azure ends a function after the first of these, the timeout of host.json. Where it takes a host
# away it gives what runs there ten minutes to end: plan and repack, which can go on later, come to
# their deadline early enough for that. Publish cannot do half, and has all the time there is.
AZURE_FUNCTION_SECONDS_MAX = 900
AZURE_CALL_SECONDS_MAX = 480
# A task hub keeps instances for ever; ended ones are forgotten after as many days as Step Functions
# keeps its own. Nothing asks for one by then: how each ended is in its session's reports.
AZURE_INSTANCE_DAYS_MAX = 90
# What a tick of Azure's timer orders nobody orders again, and an event comes again for a day: both
# are tried after these waits as well, before anybody is told.
AZURE_ORDER_DELAYS_SECONDS = (5, 30, 120)
# An instance of a Flex Consumption plan has a processor for so many MB of memory.
AZURE_MEMORY_FOR_CORE_MB = 2048
# A function asks so often whether its session is to stop: each look is two listings.
STEP_STOP_CHECK_SECONDS = 5

# Finished sessions' working objects are kept so long for whoever asks what happened.
SESSION_KEPT_DAYS = 30

# An upload that was never ended is worth a warning once no pack can take so long (at 100 kB/s one
# takes an hour and a half), and is given up once a machine that slept over a weekend's day is back.
UNFINISHED_UPLOAD_OLD_DAYS = 1
UNFINISHED_UPLOAD_KEPT_DAYS = 2

# A member of a pool joins another member's session when it has seen nothing written for it for so
# long: several packs' time on a slow line, and far less than the shortest useful window. Where the
# configuration makes the line slower, one pack's time is added.
POOL_JOIN_AFTER_SECONDS = 600

# The proxy: how often it may look (each look costs some requests), how long it waits at most
# before it tries again what failed, and how many jobs it runs at once at most.
LOOK_SECONDS_MIN = 1
LOOK_SECONDS_MAX = 24 * 3600
RETRY_SECONDS_MAX = 1800
PARALLEL_RUNS_MAX = 16
LOOK_THREADS = 4

# Whoever watches an appliance asks how it is every few seconds, and lists one page of the session's
# progress markers in that time at most: many watchers must not cost more than the work. Step
# Functions may show an execution late. More attempts than a few mean that something is broken. A
# function app is paid for each time that it is asked, at least a second of a whole instance: of an
# execution that has run for long it is asked after this share of the time since, if that is longer.
WATCH_SECONDS = 3
WATCH_SHARE = 0.05
WATCH_SECONDS_MAX = 30
WATCH_LISTED_EACH = 1000
EXECUTION_HIDDEN_SECONDS_MAX = 60
EXECUTION_ATTEMPTS_MAX = 1000
# What a function app answers is names and counts; a page of somebody else's is not read whole.
# What it is asked with is less still: an order has a name, a reason and numbers.
APPLIANCE_ANSWER_SIZE_MAX = 1 << 20
APPLIANCE_ORDER_SIZE_MAX = 1 << 16
APPLIANCE_FINDINGS_MAX = 1000

# Notices: a receiver that does not answer must not pile them up, nor hold up the end of a service.
NOTICE_QUEUE_MAX = 1000
NOTICE_TRIES_MAX = 3
NOTICE_TIMEOUT_SECONDS = 10
NOTICE_DRAIN_SECONDS = 15

# A request to a store is tried so often and so long before it has failed. Ten tries come through
# a store of which every second answer is bad, and two minutes through most of a vendor's hiccups;
# a function that is called again goes on later anyway.
STORE_TRIES_MAX = 10
STORE_TRYING_SECONDS_MAX = 120
# Where nothing answers at all, it is mostly a wrong endpoint: whoever waits is told sooner.
STORE_FIRST_TRIES_MAX = 4
# A connection is given up when it takes so long to be made, or when no byte comes for so long.
STORE_CONNECT_SECONDS_MAX = 10
STORE_SILENCE_SECONDS_MAX = 60
# What an S3 service may answer a listing with: a thousand keys of a kilobyte, every byte of them
# quoted. What it says of an error is short.
LISTING_SIZE_MAX = 8 * MIB
ERROR_DOCUMENT_SIZE_MAX = 64 * KIB
# An answer's head: S3 takes 2 KiB of metadata, others more; what is larger comes from no store.
HTTP_HEAD_SIZE_MAX = 64 * KIB
# A wait before the next try is drawn from zero to twice the one before, from about a round trip up
# to what lets a partition of S3 split.
STORE_DELAY_SECONDS_MIN = 0.1
STORE_DELAY_SECONDS_MAX = 20
# Requests under way at once to one store in one process: more than all our threads together, so
# that only a store that asks for less lowers it.
STORE_CONCURRENCY_MAX = 64
# A page of Azure's listing and one request that deletes: Azure's own bounds. Up to so many objects
# of a folder are asked for their tier one by one, more by a listing of it.
AZURE_PAGE_MAX = 5000
AZURE_DELETES_MAX = 256
AZURE_HEADS_MAX = 16
# Whoever sleeps for a store looks so often whether the work is to end.
STOP_CHECK_SECONDS = 0.2
# A limit of bandwidth lets so much pass at once before it spreads: one second of it.
BANDWIDTH_BURST_SECONDS = 1

# DuckDB's memory, in bytes: what planning needs on ten million blobs, and what repack and
# publish may add to the data path. A backup joins a tree with the point before: about a gigabyte
# of rows for a million files, most of it spilled.
PLAN_MEMORY_SIZE = 1536 * MIB
REPACK_MEMORY_SIZE = 128 * MIB
BACKUP_MEMORY_SIZE = 512 * MIB
RESTORE_MEMORY_SIZE = 256 * MIB

# Names: a path component that a common file system can hold, and a whole path.
PATH_COMPONENT_SIZE_MAX = 255
PATH_SIZE_MAX = 65_536
# Amazon's and Azure's names of objects have at most 1,024 bytes and characters; ours have less than
# half below the prefix.
PREFIX_SIZE_MAX = 512

ZSTD_LEVEL_DEFAULT = 3

assert UNFINISHED_UPLOAD_OLD_DAYS <= UNFINISHED_UPLOAD_KEPT_DAYS
assert FRAME_SIZE_TARGET <= FRAME_SIZE_MAX
assert (
    RESTORE_BASE_SIZE + RESTORE_LONG_OBJECTS * (UPLOAD_MEMORY_SIZE + 3 * FRAME_SIZE_MAX)
    <= RESTORE_PEAK_SIZE_MAX
)
# A loose blob, sealed, is written by one request.
assert FRAME_STORED_SIZE_MAX + MIB <= UPLOAD_PART_SIZE
assert BLOB_SIZE_MAX <= FRAME_SIZE_MAX
assert PACK_BLOBS_MAX * TABLE_OF_CONTENTS_ENTRY_SIZE + KIB <= TABLE_OF_CONTENTS_SIZE_MAX
assert FRAME_BLOBS_MAX <= PACK_BLOBS_MAX
assert PACK_SIZE_MAX >= 4 * FRAME_STORED_SIZE_MAX
assert BATCH_SIZE_MIN <= BATCH_SIZE_MAX
assert BATCH_SIZE_MAX > BLOB_SIZE_MAX
assert FETCH_BYTES_IN_FLIGHT_MAX >= BLOB_SIZE_MAX
assert FETCH_THREADS + UPLOAD_PARTS_IN_FLIGHT_MAX <= STORE_CONCURRENCY_MAX
assert STORE_DELAY_SECONDS_MIN < STORE_DELAY_SECONDS_MAX < STORE_TRYING_SECONDS_MAX
assert 2 * SKIPPED_SIZE_MAX <= JSON_SIZE_MAX
assert AZURE_CALL_SECONDS_MAX + FUNCTION_MARGIN_SECONDS <= 600 < AZURE_FUNCTION_SECONDS_MAX
