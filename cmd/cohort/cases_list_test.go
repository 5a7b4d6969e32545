package main

var listCases []fieldCase
