# %% [markdown]
# # 00 · Your first search
#
# In ten minutes: a Postgres of your own, thousands of real texts in it, and three ways to find one of them: by
# meaning, by words, and by both. Run the cells from top to bottom (Shift+Enter); nothing is downloaded.
#
# A line that starts with `%` or `%%` is a *magic*: a command of this notebook. `%vsearch?` shows what one can do.

# %%
# %load_ext pgvec_magic

# %% [markdown]
# **Connect.** Without a word, `%vconnect` starts a Postgres that came with the package: it runs under your account, on
# this computer, and stops when the last notebook lets go of it. `%vconnect postgresql://…` takes your own instead.

# %%
# %vconnect

# %% [markdown]
# **Load real text.** `sample:pydocs` is the documentation of the Python packages on this computer: one row for each
# class, function or method. Each text becomes a *vector*: 256 numbers from a small model that came along too, chosen
# so that texts about the same thing lie near each other. Running this cell twice doubles nothing.

# %%
# %vload docs sample:pydocs

# %% [markdown]
# **Search by both.** `hybrid` asks twice, by meaning and by words, and merges the two lists. The columns *vector* and
# *keyword* say where each list had ranked a row; a dash means that it had not found it at all.

# %%
# %%vsearch docs --mode hybrid -k 5 --columns id,kind,content -o hits
# how do I walk a directory tree?

# %% [markdown]
# **Search by meaning alone.** The same question, the vectors only. All of it has to do with trees and walks, but a
# small model cannot insist on a word: compare it with the list above, and look for `os.walk`.

# %%
# %%vsearch docs --mode vector -k 5 --columns id,kind,content
# how do I walk a directory tree?

# %% [markdown]
# **See it.** Left: how much of each row's score came from meaning and how much from words. Right: how the ranks moved
# when the two lists were merged.

# %%
hits.figure()

# %% [markdown]
# **An index.** So far Postgres compared the question with every row, which is exact, and quick enough for thousands of
# rows. For millions there are indexes. HNSW is a graph of neighbours that a search walks: much faster, and nearly
# exact. `%%vsql` runs any SQL. Lesson 03 builds such an index and measures what it costs and finds.

# %%
# %%vsql
# CREATE INDEX IF NOT EXISTS docs_embedding_hnsw ON docs USING hnsw (embedding vector_cosine_ops)

# %% [markdown]
# **With a condition.** `--where` takes SQL; `:package` is a Python variable, sent as a value and never pasted into the
# text. The line above the rows says how the search ran. A filter never costs rows here: if the index gives too few,
# the search goes on until there are enough, or says how many there are. Lessons 04 and 05 show what it spares you.

# %%
package = "pandas"

# %%
# %%vsearch docs --mode hybrid -k 5 --where "package = :package" --columns id,kind,content
# fill missing values

# %% [markdown]
# **More like this one.** Give a row instead of a text: its own vector is the question.

# %%
# %vsearch docs --similar-to csv.reader -k 5 --columns id,kind,content

# %% [markdown]
# **Your own SQL.** `:query` is the vector of the text behind `-q`, from the model that made the column's vectors;
# `<=>` is the cosine distance. Every result has `.df` (a pandas DataFrame), `.sql` and `.figure()`.

# %%
# %%vsql docs -q "draw random numbers" -o by_package
# SELECT package, count(*) AS texts, min(embedding <=> :query) AS nearest
# FROM docs GROUP BY package ORDER BY nearest LIMIT 5

# %% [markdown]
# **Three things to take away**
#
# 1. Ask by both: words catch names and codes, meaning catches everything that was said differently.
# 2. A score is only worth something beside the others: look at the gaps, not at the number.
# 3. Every result says how it was found. If rows are missing, it says so too.
