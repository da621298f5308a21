# Ordinal mixed model on the grades of single sections, with the animal as random effect.
# Run it in the folder that holds compartments.csv and animals.csv:  Rscript analysis.R
# Needs the package "ordinal":  install.packages("ordinal")

library(ordinal)

read_table <- function(file) {
  # all text at first: a group named "NA" or an animal named "001" must stay what it is
  table <- read.csv(file, colClasses = "character", na.strings = "", encoding = "UTF-8",
                    check.names = FALSE)
  # a leading ' protects spreadsheets from formulas; it is no part of the text
  table[] <- lapply(table, function(column) sub("^'(?=[^0-9A-Za-z])", "", column, perl = TRUE))
  table
}

compartments <- read_table("compartments.csv")
animals <- unique(subset(read_table("animals.csv"), !is.na(region) & !is.na(group),
                         select = c("animal", "group", "side", "knee", "timepoint")))
animals <- subset(animals, knee == "index")

keys <- c("animal", "side")
compartments$side[is.na(compartments$side)] <- ""
animals$side[is.na(animals$side)] <- ""
data <- merge(compartments, animals, by = keys)
data <- subset(data, !is.na(final_grade))
data$final_grade <- factor(as.numeric(data$final_grade), ordered = TRUE)
data$group <- factor(data$group, levels = unique(animals$group))  # the first is the reference
data$animal <- factor(data$animal)

for (name in c("MFC", "MTP", "LFC", "LTP")) {
  part <- droplevels(subset(data, compartment == name))
  cat("\n==", name, "==", nrow(part), "sections of", nlevels(part$animal), "animals\n")
  if (nlevels(part$final_grade) < 3 || nlevels(part$group) < 2) {
    cat("too few different grades or groups for a model\n")
    next
  }
  print(summary(clmm(final_grade ~ group + (1 | animal), data = part)))
}
