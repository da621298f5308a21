# Ordinal mixed models of the grades of single sections, one for each compartment and timepoint:
# the animal is a random effect, and the knees of an animal lie within it.
# Run it in the folder that holds section_grades.csv:  Rscript analysis.R
# Needs the package "ordinal":  install.packages("ordinal")

read_grades <- function(file) {
  # all text at first: a group named "NA" or an animal named "001" must stay what it is
  table <- read.csv(file, colClasses = "character", na.strings = character(), encoding = "UTF-8",
                    check.names = FALSE)
  # a leading ' protects spreadsheets from formulas; it is no part of the text
  table[] <- lapply(table, function(column) sub("^'(?=[^0-9A-Za-z])", "", column, perl = TRUE))
  table <- table[table$grade != "" & table$group != "", ]
  table$grade <- as.numeric(table$grade)
  table$group <- factor(table$group, levels = groups)
  table$knee_of <- factor(paste(table$animal, table$side, table$knee, sep = "\r"))  # in no name
  table$animal <- factor(table$animal)
  table$knee <- factor(table$knee, levels = c("index", "contralateral"))
  table
}

counts <- function(data) {
  knees <- data[!duplicated(data$knee_of), ]
  animals <- data[!duplicated(data$animal), ]
  rbind(animals = table(animals$group), knees = table(knees$group), sections = table(data$group))
}

model <- function(formula, data) {
  data <- droplevels(data)
  data$grade <- factor(data$grade, ordered = TRUE)
  if (!(groups[1] %in% levels(data$group))) {
    cat("no grade in the reference group, so nothing to hold the others against\n")
    return(invisible())
  }
  if (nlevels(data$grade) < 3 || nlevels(data$group) < 2) {
    cat("too few different grades or groups for a model\n")
    return(invisible())
  }
  formula <- update(formula, . ~ . + (1 | animal))
  if (nlevels(data$knee_of) > nlevels(data$animal)) {
    formula <- update(formula, . ~ . + (1 | knee_of))
  }
  # a model that cannot be fitted is told, and the next one is tried
  tryCatch(print(summary(clmm(formula, data = data, link = "logit"))),
           error = function(e) cat("no model:", conditionMessage(e), "\n"))
}

grades <- read_grades("section_grades.csv")
times <- unique(grades$timepoint)
sets <- list()
for (compartment in unique(grades$compartment)) for (time in times) {
  name <- paste0(compartment, if (time != "") paste0(", ", time))
  sets[[name]] <- grades[grades$compartment == compartment & grades$timepoint == time, ]
}

cat("reference group:", groups[1], "\n")
for (name in names(sets)) {
  cat("\n==", name, "==\n")
  print(counts(sets[[name]][sets[[name]]$knee == "index", ]))
}
if (length(groups) < 2) stop("fewer than two groups with grades: there is nothing to compare")
if (!requireNamespace("ordinal", quietly = TRUE)) {
  stop('the models need the package "ordinal": install.packages("ordinal")')
}
library(ordinal)

for (name in names(sets)) {
  data <- sets[[name]]
  cat("\n== ", name, ": groups, index knees ==\n", sep = "")
  model(grade ~ group, data[data$knee == "index", ])
  if (any(data$knee == "contralateral")) {
    cat("\n== ", name, ": does the difference between the knees differ by group? ==\n", sep = "")
    model(grade ~ group * knee, data)
  }
}

if (length(times) > 1) for (part in unique(grades$compartment)) {
  cat("\n== ", part, ": do the groups differ otherwise at another timepoint? ==\n", sep = "")
  data <- grades[grades$compartment == part & grades$knee == "index", ]
  data$timepoint <- factor(data$timepoint, levels = times)
  model(grade ~ group * timepoint, data)
}
